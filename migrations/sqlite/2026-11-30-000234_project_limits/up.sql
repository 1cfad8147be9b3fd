-- What projects may have that differ from the others, as JSON.
CREATE TABLE project_limits (
    project_id TEXT NOT NULL PRIMARY KEY,
    limits TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);
