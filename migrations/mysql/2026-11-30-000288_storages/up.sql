-- Stores that administrators added, beside those of the configuration. `bindings` and `options` are JSON objects;
-- `sealed` is one with the secret options, encrypted.
CREATE TABLE storages (
    id VARCHAR(64) NOT NULL,
    kind VARCHAR(64) NOT NULL,
    description TEXT,
    weight BIGINT NOT NULL,
    read_only BOOLEAN NOT NULL,
    bindings MEDIUMTEXT NOT NULL,
    options MEDIUMTEXT NOT NULL,
    sealed MEDIUMTEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Rules that say into which store an image goes whose client names none. `conditions` is a JSON object.
CREATE TABLE placement_rules (
    id VARCHAR(36) NOT NULL,
    position BIGINT NOT NULL,
    description TEXT,
    conditions MEDIUMTEXT NOT NULL,
    store VARCHAR(255) NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
