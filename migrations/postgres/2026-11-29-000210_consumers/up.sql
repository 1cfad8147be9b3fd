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
);
CREATE INDEX consumers_by_scope ON consumers (scope);
