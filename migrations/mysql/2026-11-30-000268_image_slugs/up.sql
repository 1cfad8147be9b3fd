-- The short names of images, each once in its project. A row comes when a name is set, so that those that were there before, or
-- came from elsewhere, keep nobody from theirs; it stays while the image is in the bin.
CREATE TABLE image_slugs (
    owner VARCHAR(255) NOT NULL,
    slug VARCHAR(63) NOT NULL,
    image_id VARCHAR(36) NOT NULL,
    PRIMARY KEY (owner, slug)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE UNIQUE INDEX image_slugs_of_image ON image_slugs (image_id);
-- Projects and ids are those of images, whose collation pads nothing and has another name on MySQL.
SET @collation = (
    SELECT collation_name FROM information_schema.collations
    WHERE collation_name IN ('utf8mb4_nopad_bin', 'utf8mb4_0900_bin') ORDER BY collation_name DESC LIMIT 1
);
SET @change = CONCAT('ALTER TABLE image_slugs CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation);
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;
