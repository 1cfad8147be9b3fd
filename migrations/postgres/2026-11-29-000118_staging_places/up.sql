-- Staging folders, by the names that blobs and jobs give them, and when a node that reaches the folder last said so: what
-- is staged in a folder that nobody has reached for long is given up. Times are microseconds since 1970-01-01 UTC.
CREATE TABLE staging_places (
    id VARCHAR(255) NOT NULL PRIMARY KEY,
    seen_at BIGINT NOT NULL
);
