-- A row for each family of images that was ever published: whoever publishes counts it up, and is alone until he is done.
CREATE TABLE families (
    owner VARCHAR(255) NOT NULL,
    name VARCHAR(63) NOT NULL,
    publications BIGINT NOT NULL,
    PRIMARY KEY (owner, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
-- The latest publications of a family, each with what it changed, as JSON.
CREATE TABLE family_publications (
    owner VARCHAR(255) NOT NULL,
    name VARCHAR(63) NOT NULL,
    number BIGINT NOT NULL,
    image_id VARCHAR(36) NOT NULL,
    changes MEDIUMTEXT NOT NULL,
    published_at BIGINT NOT NULL,
    PRIMARY KEY (owner, name, number)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
