-- What is known of a store: its mark, which says that it is this database's, and how it was when it was looked through
-- last. The job is the one that does so.
CREATE TABLE store_states (
    store VARCHAR(255) NOT NULL,
    mark VARCHAR(36) NOT NULL,
    marked BOOLEAN NOT NULL,
    job_id VARCHAR(36),
    checked_at BIGINT,
    summary MEDIUMTEXT,
    PRIMARY KEY (store)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
-- What such a job has found. `name` is that of the object, or of the one that is not there.
CREATE TABLE store_findings (
    job_id VARCHAR(36) NOT NULL,
    number BIGINT NOT NULL,
    state VARCHAR(64) NOT NULL,
    name MEDIUMTEXT NOT NULL,
    unfinished BOOLEAN NOT NULL,
    bytes BIGINT,
    modified BIGINT,
    image_id VARCHAR(36),
    reason MEDIUMTEXT NOT NULL,
    outcome MEDIUMTEXT,
    PRIMARY KEY (job_id, number)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
-- Objects that lie out of the way. Their names belong to the rows of the same ids in `blobs`.
CREATE TABLE quarantine (
    id VARCHAR(36) NOT NULL,
    store VARCHAR(255) NOT NULL,
    name MEDIUMTEXT NOT NULL,
    unfinished BOOLEAN NOT NULL,
    place VARCHAR(255) NOT NULL,
    bytes BIGINT,
    modified BIGINT,
    reason MEDIUMTEXT NOT NULL,
    state VARCHAR(64) NOT NULL,
    job_id VARCHAR(36),
    user_id VARCHAR(255),
    request_id VARCHAR(255),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX quarantine_of_store ON quarantine (store, id);
-- Ids are compared with those of jobs, whose collation pads nothing and has another name on MySQL.
SET @collation = (
    SELECT collation_name FROM information_schema.collations
    WHERE collation_name IN ('utf8mb4_nopad_bin', 'utf8mb4_0900_bin') ORDER BY collation_name DESC LIMIT 1
);
SET @change = CONCAT('ALTER TABLE store_states CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation);
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;
SET @change = CONCAT('ALTER TABLE store_findings CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation);
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;
SET @change = CONCAT('ALTER TABLE quarantine CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation);
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;
