-- Servers that were consumers of images and are none any more, and when the last was removed.
CREATE TABLE gone_servers (
    id VARCHAR(255) PRIMARY KEY NOT NULL,
    gone_at BIGINT NOT NULL
);
CREATE INDEX gone_servers_by_time ON gone_servers (gone_at);
CREATE INDEX consumers_by_id ON consumers (id);
