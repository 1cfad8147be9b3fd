-- Who uses an image: servers, volumes and others that services tell of. `scope` is what is replaced as a whole.
CREATE TABLE consumers (
    image_id VARCHAR(36) NOT NULL,
    kind VARCHAR(16) NOT NULL,
    id VARCHAR(255) NOT NULL,
    project_id VARCHAR(255),
    region VARCHAR(255),
    scope VARCHAR(255),
    since BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    PRIMARY KEY (image_id, kind, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX consumers_by_scope ON consumers (scope);
-- Ids are compared with those of images, whose collation pads nothing and has another name on MySQL.
SET @collation = (
    SELECT collation_name FROM information_schema.collations
    WHERE collation_name IN ('utf8mb4_nopad_bin', 'utf8mb4_0900_bin') ORDER BY collation_name DESC LIMIT 1
);
SET @change = CONCAT('ALTER TABLE consumers CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation);
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;
