-- Durable work, and Glance's tasks, which are these rows. Times are microseconds since 1970-01-01 UTC.
CREATE TABLE jobs (
    id VARCHAR(36) NOT NULL PRIMARY KEY,
    kind VARCHAR(64) NOT NULL,
    status VARCHAR(16) NOT NULL,
    image_id VARCHAR(36),
    owner VARCHAR(255),
    user_id VARCHAR(255),
    request_id VARCHAR(255),
    input MEDIUMTEXT NOT NULL,
    result MEDIUMTEXT,
    message MEDIUMTEXT NOT NULL,
    state MEDIUMTEXT NOT NULL,
    bytes_done BIGINT NOT NULL,
    bytes_total BIGINT,
    attempts INTEGER NOT NULL,
    run_after BIGINT NOT NULL,
    affinity VARCHAR(64),
    cancel_requested BOOLEAN NOT NULL,
    lease_node VARCHAR(36),
    lease_until BIGINT NOT NULL,
    expires_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX jobs_due ON jobs (status, lease_until, run_after);
CREATE INDEX jobs_by_image ON jobs (image_id);
CREATE INDEX jobs_by_owner ON jobs (owner, created_at);
