-- When images were last downloaded from here, as the nodes write it down once an hour.
CREATE TABLE image_downloads (
    image_id VARCHAR(36) PRIMARY KEY NOT NULL,
    downloaded_at BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
-- Ids are compared with those of images, whose collation pads nothing and has another name on MySQL.
SET @collation = (
    SELECT collation_name FROM information_schema.collations
    WHERE collation_name IN ('utf8mb4_nopad_bin', 'utf8mb4_0900_bin') ORDER BY collation_name DESC LIMIT 1
);
SET @change = CONCAT('ALTER TABLE image_downloads CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation);
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;
