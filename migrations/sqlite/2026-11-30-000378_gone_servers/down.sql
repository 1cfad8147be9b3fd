DROP INDEX consumers_by_id;
DROP TABLE gone_servers;
