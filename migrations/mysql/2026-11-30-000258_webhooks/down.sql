DROP INDEX events_by_project ON events;
DROP TABLE webhook_deliveries;
DROP TABLE webhooks;
DROP TABLE event_readers;
