-- The outbox: one row for each change, written in the transaction that made it, read in the order of its sequence, and
-- dropped by age and number. Times are microseconds since 1970-01-01 UTC.
CREATE TABLE events (
    sequence BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind VARCHAR(64) NOT NULL,
    image_id VARCHAR(36) NOT NULL,
    project_id VARCHAR(255),
    user_id VARCHAR(255),
    request_project_id VARCHAR(255),
    request_id VARCHAR(255) NOT NULL,
    changes TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX events_by_time ON events (created_at);
