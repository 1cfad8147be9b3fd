-- Servers that were consumers of images and are none any more, and when the last was removed.
CREATE TABLE gone_servers (
    id VARCHAR(255) PRIMARY KEY NOT NULL,
    gone_at BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX gone_servers_by_time ON gone_servers (gone_at);
CREATE INDEX consumers_by_id ON consumers (id);
-- Ids are those of consumers, whose collation pads nothing and has another name on MySQL.
SET @collation = (
    SELECT collation_name FROM information_schema.collations
    WHERE collation_name IN ('utf8mb4_nopad_bin', 'utf8mb4_0900_bin') ORDER BY collation_name DESC LIMIT 1
);
SET @change = CONCAT('ALTER TABLE gone_servers CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation);
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;
