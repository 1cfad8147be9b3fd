-- Deleted images that can come back: what hung on them, as JSON, while their rows are tombstones.
CREATE TABLE trash (
    image_id VARCHAR(36) NOT NULL PRIMARY KEY,
    owner VARCHAR(255),
    deleted_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX trash_of_owner ON trash (owner, deleted_at, image_id);
CREATE INDEX trash_by_age ON trash (deleted_at, image_id);
CREATE INDEX trash_expiring ON trash (expires_at);
