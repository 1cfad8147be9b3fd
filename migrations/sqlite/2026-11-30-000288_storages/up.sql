-- Stores that administrators added, beside those of the configuration. `bindings` and `options` are JSON objects;
-- `sealed` is one with the secret options, encrypted.
CREATE TABLE storages (
    id TEXT PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL,
    description TEXT,
    weight BIGINT NOT NULL,
    read_only BOOLEAN NOT NULL,
    bindings TEXT NOT NULL,
    options TEXT NOT NULL,
    sealed TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- Rules that say into which store an image goes whose client names none. `conditions` is a JSON object.
CREATE TABLE placement_rules (
    id TEXT PRIMARY KEY NOT NULL,
    position BIGINT NOT NULL,
    description TEXT,
    conditions TEXT NOT NULL,
    store TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
