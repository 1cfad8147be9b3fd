DROP INDEX consumers_by_id ON consumers;
DROP TABLE gone_servers;
