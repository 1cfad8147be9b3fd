-- Images, what hangs on them, and the ledger of blobs. Times are microseconds since 1970-01-01 UTC.
CREATE TABLE images (
    id TEXT NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    name TEXT,
    owner TEXT,
    visibility TEXT NOT NULL,
    status TEXT NOT NULL,
    disk_format TEXT,
    container_format TEXT,
    size BIGINT,
    virtual_size BIGINT,
    checksum TEXT,
    os_hash_algo TEXT,
    os_hash_value TEXT,
    min_disk BIGINT NOT NULL,
    min_ram BIGINT NOT NULL,
    protected BOOLEAN NOT NULL,
    os_hidden BOOLEAN NOT NULL,
    deleted BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE INDEX images_own ON images (owner, created_at DESC, id DESC) WHERE NOT deleted;
CREATE INDEX images_visible ON images (visibility, created_at DESC, id DESC) WHERE NOT deleted;
CREATE INDEX images_all ON images (created_at DESC, id DESC) WHERE NOT deleted;
CREATE INDEX images_by_name ON images (name) WHERE NOT deleted;
CREATE INDEX images_status ON images (status) WHERE NOT deleted AND status <> 'active';

CREATE TABLE image_properties (
    image_id TEXT NOT NULL REFERENCES images (id),
    name TEXT NOT NULL,
    value TEXT,
    position INTEGER NOT NULL,
    PRIMARY KEY (image_id, name)
);

CREATE TABLE image_tags (
    image_id TEXT NOT NULL REFERENCES images (id),
    value TEXT NOT NULL,
    PRIMARY KEY (image_id, value)
);
CREATE INDEX image_tags_by_value ON image_tags (value, image_id);

-- image_created_at repeats images.created_at, which never changes, so that a page of shared images
-- is one index range.
CREATE TABLE image_members (
    image_id TEXT NOT NULL REFERENCES images (id),
    member TEXT NOT NULL,
    status TEXT NOT NULL,
    deleted BOOLEAN NOT NULL,
    image_created_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (image_id, member)
);
CREATE INDEX image_members_shared ON image_members (member, status, deleted, image_created_at, image_id);

CREATE TABLE blobs (
    id TEXT NOT NULL PRIMARY KEY,
    image_id TEXT NOT NULL,
    store TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    size BIGINT,
    lease_node TEXT NOT NULL,
    lease_until BIGINT NOT NULL,
    delete_after BIGINT NOT NULL,
    attempts INTEGER NOT NULL,
    last_error TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (store, name)
);
CREATE INDEX blobs_by_image ON blobs (image_id);
CREATE INDEX blobs_by_state ON blobs (state, lease_until);

CREATE TABLE image_locations (
    id TEXT NOT NULL PRIMARY KEY,
    image_id TEXT NOT NULL REFERENCES images (id),
    position INTEGER NOT NULL,
    url TEXT NOT NULL,
    metadata TEXT NOT NULL,
    store TEXT,
    blob_id TEXT
);
CREATE INDEX image_locations_by_image ON image_locations (image_id, position);
