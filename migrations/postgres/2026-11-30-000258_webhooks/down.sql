DROP INDEX events_by_project;
DROP TABLE webhook_deliveries;
DROP TABLE webhooks;
DROP TABLE event_readers;
