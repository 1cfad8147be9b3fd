-- The keys that seal secrets in other rows, such as tokens that jobs still need.
CREATE TABLE sealing_keys (
    generation BIGINT NOT NULL PRIMARY KEY,
    secret TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    replaced_at BIGINT
);
