-- The image cache: its nodes, and what each of them holds on its own disk. Times are microseconds since 1970-01-01 UTC.
CREATE TABLE node_reference (
    node_reference_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    node_reference_url TEXT NOT NULL UNIQUE
);

-- content says which data the copy is of: a hash with the name of its algorithm, or where the data came from.
CREATE TABLE cached_images (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    image_id TEXT NOT NULL,
    node_reference_id BIGINT NOT NULL REFERENCES node_reference (node_reference_id),
    size BIGINT NOT NULL,
    hits BIGINT NOT NULL,
    checksum TEXT,
    content TEXT NOT NULL,
    last_accessed BIGINT NOT NULL,
    last_modified BIGINT NOT NULL,
    UNIQUE (image_id, node_reference_id)
);
CREATE INDEX cached_images_by_node ON cached_images (node_reference_id, id);
