-- Deleted images that can come back: what hung on them, as JSON, while their rows are tombstones.
CREATE TABLE trash (
    image_id VARCHAR(36) NOT NULL PRIMARY KEY,
    owner VARCHAR(255),
    deleted_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    record MEDIUMTEXT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX trash_of_owner ON trash (owner, deleted_at, image_id);
CREATE INDEX trash_by_age ON trash (deleted_at, image_id);
CREATE INDEX trash_expiring ON trash (expires_at);
-- Ids are compared with those of images, whose collation pads nothing and has another name on MySQL.
SET @collation = (
    SELECT collation_name FROM information_schema.collations
    WHERE collation_name IN ('utf8mb4_nopad_bin', 'utf8mb4_0900_bin') ORDER BY collation_name DESC LIMIT 1
);
SET @change = CONCAT('ALTER TABLE trash CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation);
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;
