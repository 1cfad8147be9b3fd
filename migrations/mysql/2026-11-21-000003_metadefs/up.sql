-- Metadata definitions. Times are microseconds since 1970-01-01 UTC; updated_at is NULL for what a
-- catalogue file brought. Ids only order rows and join tables; no client sees them.
CREATE TABLE metadef_namespaces (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    namespace VARCHAR(80) NOT NULL UNIQUE,
    display_name VARCHAR(80),
    description MEDIUMTEXT,
    visibility VARCHAR(16) NOT NULL,
    protected BOOLEAN NOT NULL,
    owner VARCHAR(255) NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX metadef_namespaces_by_age ON metadef_namespaces (created_at, id);

CREATE TABLE metadef_resource_types (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name VARCHAR(80) NOT NULL UNIQUE,
    protected BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE metadef_namespace_resource_types (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    namespace_id BIGINT NOT NULL,
    resource_type_id BIGINT NOT NULL,
    prefix VARCHAR(80),
    properties_target VARCHAR(80),
    created_at BIGINT NOT NULL,
    updated_at BIGINT,
    UNIQUE (namespace_id, resource_type_id),
    FOREIGN KEY (namespace_id) REFERENCES metadef_namespaces (id),
    FOREIGN KEY (resource_type_id) REFERENCES metadef_resource_types (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX metadef_namespaces_by_type ON metadef_namespace_resource_types (resource_type_id);

-- required and properties are JSON.
CREATE TABLE metadef_objects (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    namespace_id BIGINT NOT NULL,
    name VARCHAR(80) NOT NULL,
    description MEDIUMTEXT,
    required MEDIUMTEXT NOT NULL,
    properties MEDIUMTEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT,
    UNIQUE (namespace_id, name),
    FOREIGN KEY (namespace_id) REFERENCES metadef_namespaces (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- json_schema is the definition of the property, as JSON.
CREATE TABLE metadef_properties (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    namespace_id BIGINT NOT NULL,
    name VARCHAR(80) NOT NULL,
    json_schema MEDIUMTEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT,
    UNIQUE (namespace_id, name),
    FOREIGN KEY (namespace_id) REFERENCES metadef_namespaces (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE metadef_tags (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    namespace_id BIGINT NOT NULL,
    name VARCHAR(80) NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT,
    UNIQUE (namespace_id, name),
    FOREIGN KEY (namespace_id) REFERENCES metadef_namespaces (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- One row once the catalogue was offered to this database, so that what an operator unloads stays away.
CREATE TABLE metadef_seed (
    id BIGINT NOT NULL PRIMARY KEY,
    seeded_at BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
