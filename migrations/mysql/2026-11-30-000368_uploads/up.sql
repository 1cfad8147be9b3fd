-- Uploads in parts that are not complete yet. An upload has the id of the blob that keeps the room for its data.
-- Without a store the data is staged for an import.
CREATE TABLE uploads (
    id VARCHAR(36) PRIMARY KEY NOT NULL,
    image_id VARCHAR(36) NOT NULL,
    project_id VARCHAR(255) NOT NULL,
    place VARCHAR(255) NOT NULL,
    store VARCHAR(255),
    size BIGINT NOT NULL,
    part_size BIGINT NOT NULL,
    expected MEDIUMTEXT,
    job_id VARCHAR(36),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    KEY uploads_by_image (image_id),
    KEY uploads_by_project (project_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- What has arrived of them: `length` bytes from `first_byte` on, as a blob in the staging folder.
CREATE TABLE upload_pieces (
    upload_id VARCHAR(36) NOT NULL,
    first_byte BIGINT NOT NULL,
    length BIGINT NOT NULL,
    blob_id VARCHAR(36) NOT NULL,
    PRIMARY KEY (upload_id, first_byte)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
-- Ids are compared with those of blobs, whose collation pads nothing and has another name on MySQL.
SET @collation = (
    SELECT collation_name FROM information_schema.collations
    WHERE collation_name IN ('utf8mb4_nopad_bin', 'utf8mb4_0900_bin') ORDER BY collation_name DESC LIMIT 1
);
SET @change = CONCAT('ALTER TABLE uploads CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation);
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;
SET @change = CONCAT('ALTER TABLE upload_pieces CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation);
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;
