-- What others are told of, a row for each who is told; deleted when it was. `notice_readers` says which node tells them
-- at the moment. Times are microseconds since 1970-01-01 UTC.
CREATE TABLE notices (
    sequence BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    reader VARCHAR(16) NOT NULL,
    kind VARCHAR(64) NOT NULL,
    priority VARCHAR(8) NOT NULL,
    subject VARCHAR(64) NOT NULL,
    body MEDIUMTEXT NOT NULL,
    created_at BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX notices_by_reader ON notices (reader, sequence);
CREATE TABLE notice_readers (
    name VARCHAR(16) NOT NULL PRIMARY KEY,
    holder VARCHAR(36),
    lease_until BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
