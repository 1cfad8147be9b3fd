-- What is known of a store: its mark, which says that it is this database's, and how it was when it was looked through
-- last. The job is the one that does so.
CREATE TABLE store_states (
    store VARCHAR(255) NOT NULL,
    mark VARCHAR(36) NOT NULL,
    marked BOOLEAN NOT NULL,
    job_id VARCHAR(36),
    checked_at BIGINT,
    summary TEXT,
    PRIMARY KEY (store)
);
-- What such a job has found. `name` is that of the object, or of the one that is not there.
CREATE TABLE store_findings (
    job_id VARCHAR(36) NOT NULL,
    number BIGINT NOT NULL,
    state VARCHAR(64) NOT NULL,
    name TEXT NOT NULL,
    unfinished BOOLEAN NOT NULL,
    bytes BIGINT,
    modified BIGINT,
    image_id VARCHAR(36),
    reason TEXT NOT NULL,
    outcome TEXT,
    PRIMARY KEY (job_id, number)
);
-- Objects that lie out of the way. Their names belong to the rows of the same ids in `blobs`.
CREATE TABLE quarantine (
    id VARCHAR(36) NOT NULL,
    store VARCHAR(255) NOT NULL,
    name TEXT NOT NULL,
    unfinished BOOLEAN NOT NULL,
    place VARCHAR(255) NOT NULL,
    bytes BIGINT,
    modified BIGINT,
    reason TEXT NOT NULL,
    state VARCHAR(64) NOT NULL,
    job_id VARCHAR(36),
    user_id VARCHAR(255),
    request_id VARCHAR(255),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX quarantine_of_store ON quarantine (store, id);
