-- Which images of a project stay, those of one family or, with an empty one, all others. `report` is that of the last run.
CREATE TABLE retention_rules (
    owner VARCHAR(255) NOT NULL,
    family VARCHAR(63) NOT NULL,
    rule MEDIUMTEXT NOT NULL,
    next_run_at BIGINT NOT NULL,
    report MEDIUMTEXT,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (owner, family)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX retention_rules_due ON retention_rules (next_run_at);
