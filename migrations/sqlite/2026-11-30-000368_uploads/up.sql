-- Uploads in parts that are not complete yet. An upload has the id of the blob that keeps the room for its data.
-- Without a store the data is staged for an import.
CREATE TABLE uploads (
    id TEXT PRIMARY KEY NOT NULL,
    image_id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    place TEXT NOT NULL,
    store TEXT,
    size BIGINT NOT NULL,
    part_size BIGINT NOT NULL,
    expected TEXT,
    job_id TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX uploads_by_image ON uploads (image_id);
CREATE INDEX uploads_by_project ON uploads (project_id);

-- What has arrived of them: `length` bytes from `first_byte` on, as a blob in the staging folder.
CREATE TABLE upload_pieces (
    upload_id TEXT NOT NULL,
    first_byte BIGINT NOT NULL,
    length BIGINT NOT NULL,
    blob_id TEXT NOT NULL,
    PRIMARY KEY (upload_id, first_byte)
);
