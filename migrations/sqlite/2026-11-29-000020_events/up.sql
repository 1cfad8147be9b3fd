-- The outbox: one row for each change, written in the transaction that made it, read in the order of its sequence, and
-- dropped by age and number. Times are microseconds since 1970-01-01 UTC.
CREATE TABLE events (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    kind TEXT NOT NULL,
    image_id TEXT NOT NULL,
    project_id TEXT,
    user_id TEXT,
    request_project_id TEXT,
    request_id TEXT NOT NULL,
    changes TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX events_by_time ON events (created_at);
