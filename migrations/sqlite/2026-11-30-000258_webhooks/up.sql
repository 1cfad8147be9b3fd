-- How far readers of the outbox are, a row each.
CREATE TABLE event_readers (
    name TEXT NOT NULL PRIMARY KEY,
    position TEXT NOT NULL
);
-- Addresses that want to be told of events, and what waits to be sent to them, in order. Times are microseconds since
-- 1970-01-01 UTC.
CREATE TABLE webhooks (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT,
    owner TEXT NOT NULL,
    url TEXT NOT NULL,
    events TEXT NOT NULL,
    secret TEXT NOT NULL,
    since BIGINT NOT NULL,
    failing_since BIGINT,
    attempts BIGINT NOT NULL,
    run_after BIGINT NOT NULL,
    last_error TEXT,
    delivered BIGINT NOT NULL,
    given_up BIGINT NOT NULL,
    holder TEXT,
    lease_until BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX webhooks_by_owner ON webhooks (owner, id);
CREATE TABLE webhook_deliveries (
    webhook_id TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (webhook_id, sequence)
);
CREATE INDEX events_by_project ON events (project_id, sequence);
