-- What projects with a limit on that have created within the last minute.
CREATE TABLE image_creations (
    project_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    image_id TEXT NOT NULL,
    PRIMARY KEY (project_id, created_at, image_id)
);
