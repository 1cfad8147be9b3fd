-- Images, what hangs on them, and the ledger of blobs. Times are microseconds since 1970-01-01 UTC.
CREATE TABLE images (
    id VARCHAR(36) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    name VARCHAR(255),
    owner VARCHAR(255),
    visibility VARCHAR(16) NOT NULL,
    status VARCHAR(16) NOT NULL,
    disk_format VARCHAR(64),
    container_format VARCHAR(64),
    size BIGINT,
    virtual_size BIGINT,
    checksum VARCHAR(64),
    os_hash_algo VARCHAR(64),
    os_hash_value VARCHAR(128),
    min_disk BIGINT NOT NULL,
    min_ram BIGINT NOT NULL,
    protected BOOLEAN NOT NULL,
    os_hidden BOOLEAN NOT NULL,
    deleted BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX images_own ON images (deleted, owner, created_at DESC, id DESC);
CREATE INDEX images_visible ON images (deleted, visibility, created_at DESC, id DESC);
CREATE INDEX images_all ON images (deleted, created_at DESC, id DESC);
CREATE INDEX images_by_name ON images (deleted, name);
CREATE INDEX images_status ON images (deleted, status);

CREATE TABLE image_properties (
    image_id VARCHAR(36) NOT NULL REFERENCES images (id),
    name VARCHAR(255) NOT NULL,
    value MEDIUMTEXT,
    position INTEGER NOT NULL,
    PRIMARY KEY (image_id, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE image_tags (
    image_id VARCHAR(36) NOT NULL REFERENCES images (id),
    value VARCHAR(255) NOT NULL,
    PRIMARY KEY (image_id, value)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX image_tags_by_value ON image_tags (value, image_id);

-- image_created_at repeats images.created_at, which never changes, so that a page of shared images
-- is one index range.
CREATE TABLE image_members (
    image_id VARCHAR(36) NOT NULL REFERENCES images (id),
    member VARCHAR(255) NOT NULL,
    status VARCHAR(16) NOT NULL,
    deleted BOOLEAN NOT NULL,
    image_created_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (image_id, member)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX image_members_shared ON image_members (member, status, deleted, image_created_at, image_id);

CREATE TABLE blobs (
    id VARCHAR(36) NOT NULL PRIMARY KEY,
    image_id VARCHAR(36) NOT NULL,
    store VARCHAR(255) NOT NULL,
    name VARCHAR(255) NOT NULL,
    state VARCHAR(16) NOT NULL,
    size BIGINT,
    lease_node VARCHAR(36) NOT NULL,
    lease_until BIGINT NOT NULL,
    delete_after BIGINT NOT NULL,
    attempts INTEGER NOT NULL,
    last_error MEDIUMTEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (store, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX blobs_by_image ON blobs (image_id);
CREATE INDEX blobs_by_state ON blobs (state, lease_until);

CREATE TABLE image_locations (
    id VARCHAR(36) NOT NULL PRIMARY KEY,
    image_id VARCHAR(36) NOT NULL REFERENCES images (id),
    position INTEGER NOT NULL,
    url MEDIUMTEXT NOT NULL,
    metadata MEDIUMTEXT NOT NULL,
    store VARCHAR(255),
    blob_id VARCHAR(36)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX image_locations_by_image ON image_locations (image_id, position);
