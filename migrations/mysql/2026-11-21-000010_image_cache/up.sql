-- The image cache: its nodes, and what each of them holds on its own disk. A node is known by a UUID in its folder;
-- worker_self_reference_url, if it has one, is for people. Times are microseconds since 1970-01-01 UTC.
CREATE TABLE node_reference (
    node_reference_id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    folder VARCHAR(36) NOT NULL UNIQUE,
    node_reference_url VARCHAR(255)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- content says which data the copy is of: a hash with the name of its algorithm, or where the data came from.
CREATE TABLE cached_images (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    image_id VARCHAR(36) NOT NULL,
    node_reference_id BIGINT NOT NULL,
    size BIGINT NOT NULL,
    hits BIGINT NOT NULL,
    checksum VARCHAR(32),
    content VARCHAR(200) NOT NULL,
    last_accessed BIGINT NOT NULL,
    last_modified BIGINT NOT NULL,
    UNIQUE (image_id, node_reference_id),
    FOREIGN KEY (node_reference_id) REFERENCES node_reference (node_reference_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX node_reference_by_url ON node_reference (node_reference_url);
CREATE INDEX cached_images_by_node ON cached_images (node_reference_id, id);
