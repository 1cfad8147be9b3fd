-- Metadata definitions. Times are microseconds since 1970-01-01 UTC; updated_at is NULL for what a
-- catalogue file brought. Ids only order rows and join tables; no client sees them.
CREATE TABLE metadef_namespaces (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    namespace TEXT NOT NULL UNIQUE,
    display_name TEXT,
    description TEXT,
    visibility TEXT NOT NULL,
    protected BOOLEAN NOT NULL,
    owner TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT
);
CREATE INDEX metadef_namespaces_by_age ON metadef_namespaces (created_at, id);

CREATE TABLE metadef_resource_types (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    protected BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT
);

CREATE TABLE metadef_namespace_resource_types (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    namespace_id BIGINT NOT NULL REFERENCES metadef_namespaces (id),
    resource_type_id BIGINT NOT NULL REFERENCES metadef_resource_types (id),
    prefix TEXT,
    properties_target TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT,
    UNIQUE (namespace_id, resource_type_id)
);
CREATE INDEX metadef_namespaces_by_type ON metadef_namespace_resource_types (resource_type_id);

-- required and properties are JSON.
CREATE TABLE metadef_objects (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    namespace_id BIGINT NOT NULL REFERENCES metadef_namespaces (id),
    name TEXT NOT NULL,
    description TEXT,
    required TEXT NOT NULL,
    properties TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT,
    UNIQUE (namespace_id, name)
);

-- json_schema is the definition of the property, as JSON.
CREATE TABLE metadef_properties (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    namespace_id BIGINT NOT NULL REFERENCES metadef_namespaces (id),
    name TEXT NOT NULL,
    json_schema TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT,
    UNIQUE (namespace_id, name)
);

CREATE TABLE metadef_tags (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    namespace_id BIGINT NOT NULL REFERENCES metadef_namespaces (id),
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT,
    UNIQUE (namespace_id, name)
);

-- One row once the catalogue was offered to this database, so that what an operator unloads stays away.
CREATE TABLE metadef_seed (
    id BIGINT NOT NULL PRIMARY KEY,
    seeded_at BIGINT NOT NULL
);
