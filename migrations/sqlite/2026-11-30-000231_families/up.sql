-- A row for each family of images that was ever published: whoever publishes counts it up, and is alone until he is done.
CREATE TABLE families (
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    publications BIGINT NOT NULL,
    PRIMARY KEY (owner, name)
);
-- The latest publications of a family, each with what it changed, as JSON.
CREATE TABLE family_publications (
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    number BIGINT NOT NULL,
    image_id TEXT NOT NULL,
    changes TEXT NOT NULL,
    published_at BIGINT NOT NULL,
    PRIMARY KEY (owner, name, number)
);
