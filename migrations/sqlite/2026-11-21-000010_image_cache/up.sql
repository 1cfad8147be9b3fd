-- The image cache: its nodes, and what each of them holds on its own disk. A node is known by a UUID in its folder;
-- worker_self_reference_url, if it has one, is for people. Times are microseconds since 1970-01-01 UTC.
CREATE TABLE node_reference (
    node_reference_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    folder TEXT NOT NULL UNIQUE,
    node_reference_url TEXT
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
CREATE INDEX node_reference_by_url ON node_reference (node_reference_url);
CREATE INDEX cached_images_by_node ON cached_images (node_reference_id, id);
