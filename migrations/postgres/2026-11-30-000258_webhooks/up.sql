-- How far readers of the outbox are, a row each.
CREATE TABLE event_readers (
    name VARCHAR(64) NOT NULL PRIMARY KEY,
    position TEXT NOT NULL
);
-- Addresses that want to be told of events, and what waits to be sent to them, in order. Times are microseconds since
-- 1970-01-01 UTC.
CREATE TABLE webhooks (
    id VARCHAR(36) NOT NULL PRIMARY KEY,
    project_id VARCHAR(255),
    owner VARCHAR(255) NOT NULL,
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
    holder VARCHAR(36),
    lease_until BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX webhooks_by_owner ON webhooks (owner, id);
CREATE TABLE webhook_deliveries (
    webhook_id VARCHAR(36) NOT NULL,
    sequence BIGINT NOT NULL,
    kind VARCHAR(64) NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (webhook_id, sequence)
);
CREATE INDEX events_by_project ON events (project_id, sequence);
