-- What projects with a limit on that have created within the last minute.
CREATE TABLE image_creations (
    project_id VARCHAR(255) NOT NULL,
    created_at BIGINT NOT NULL,
    image_id VARCHAR(36) NOT NULL,
    PRIMARY KEY (project_id, created_at, image_id)
);
