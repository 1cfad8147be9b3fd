-- Groups in which images are offered. `folded` is the name in lower case: names differ in more than that.
CREATE TABLE media_groups (
    folded VARCHAR(64) NOT NULL,
    name VARCHAR(64) NOT NULL,
    label VARCHAR(255) NOT NULL,
    description TEXT,
    icon TEXT,
    visible BOOLEAN NOT NULL,
    position BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (folded)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
