-- Who uses an image: servers, volumes and others that services tell of. `scope` is what is replaced as a whole.
CREATE TABLE consumers (
    image_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    project_id TEXT,
    region TEXT,
    scope TEXT,
    since BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    PRIMARY KEY (image_id, kind, id)
);
CREATE INDEX consumers_by_scope ON consumers (scope);
