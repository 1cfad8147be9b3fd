-- The built-in identity. Times are microseconds since 1970-01-01 UTC; `extra` is a JSON object of further attributes.
CREATE TABLE identity_domains (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    extra TEXT NOT NULL
);

CREATE TABLE identity_projects (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    domain_id TEXT NOT NULL REFERENCES identity_domains (id),
    parent_id TEXT NOT NULL,
    description TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    extra TEXT NOT NULL,
    UNIQUE (domain_id, name)
);
CREATE INDEX identity_projects_by_parent ON identity_projects (parent_id);

CREATE TABLE identity_users (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    domain_id TEXT NOT NULL REFERENCES identity_domains (id),
    default_project_id TEXT,
    enabled BOOLEAN NOT NULL,
    password_hash TEXT,
    extra TEXT NOT NULL,
    UNIQUE (domain_id, name)
);

CREATE TABLE identity_roles (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    description TEXT,
    extra TEXT NOT NULL
);

CREATE TABLE identity_implied_roles (
    prior_role_id TEXT NOT NULL REFERENCES identity_roles (id),
    implied_role_id TEXT NOT NULL REFERENCES identity_roles (id),
    PRIMARY KEY (prior_role_id, implied_role_id)
);

-- scope_kind is project, domain or system; scope_id is the project's or domain's id, or all.
CREATE TABLE identity_assignments (
    user_id TEXT NOT NULL REFERENCES identity_users (id),
    scope_kind TEXT NOT NULL,
    scope_id TEXT NOT NULL,
    role_id TEXT NOT NULL REFERENCES identity_roles (id),
    PRIMARY KEY (user_id, scope_kind, scope_id, role_id)
);
CREATE INDEX identity_assignments_by_scope ON identity_assignments (scope_kind, scope_id);
CREATE INDEX identity_assignments_by_role ON identity_assignments (role_id);

CREATE TABLE identity_services (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    enabled BOOLEAN NOT NULL,
    extra TEXT NOT NULL
);

CREATE TABLE identity_regions (
    id TEXT NOT NULL PRIMARY KEY,
    description TEXT NOT NULL,
    parent_region_id TEXT
);

-- $(base_url)s in url stands for the address under which the client reached the server.
CREATE TABLE identity_endpoints (
    id TEXT NOT NULL PRIMARY KEY,
    service_id TEXT NOT NULL REFERENCES identity_services (id),
    interface TEXT NOT NULL,
    region_id TEXT,
    url TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    extra TEXT NOT NULL
);
CREATE INDEX identity_endpoints_by_service ON identity_endpoints (service_id);

CREATE TABLE identity_app_credentials (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES identity_users (id),
    project_id TEXT NOT NULL REFERENCES identity_projects (id),
    description TEXT,
    secret_hash TEXT NOT NULL,
    expires_at BIGINT,
    unrestricted BOOLEAN NOT NULL,
    access_rules TEXT,
    created_at BIGINT NOT NULL,
    UNIQUE (user_id, name)
);
CREATE INDEX identity_app_credentials_by_project ON identity_app_credentials (project_id);

CREATE TABLE identity_app_credential_roles (
    app_credential_id TEXT NOT NULL REFERENCES identity_app_credentials (id),
    role_id TEXT NOT NULL REFERENCES identity_roles (id),
    PRIMARY KEY (app_credential_id, role_id)
);

-- A token is revoked by a row when every id that the row has is the token's, and the token was issued no later
-- than issued_before.
CREATE TABLE identity_revocations (
    id TEXT NOT NULL PRIMARY KEY,
    audit_id TEXT,
    audit_chain_id TEXT,
    user_id TEXT,
    project_id TEXT,
    domain_id TEXT,
    issued_before BIGINT NOT NULL,
    revoked_at BIGINT NOT NULL
);
CREATE INDEX identity_revocations_by_audit ON identity_revocations (audit_id);
CREATE INDEX identity_revocations_by_chain ON identity_revocations (audit_chain_id);
CREATE INDEX identity_revocations_by_user ON identity_revocations (user_id);
CREATE INDEX identity_revocations_by_project ON identity_revocations (project_id);
CREATE INDEX identity_revocations_by_domain ON identity_revocations (domain_id);
CREATE INDEX identity_revocations_by_time ON identity_revocations (revoked_at);

-- A limit without project_id and domain_id is a registered limit: the default for everybody.
CREATE TABLE identity_limits (
    id TEXT NOT NULL PRIMARY KEY,
    service_id TEXT NOT NULL REFERENCES identity_services (id),
    region_id TEXT,
    resource_name TEXT NOT NULL,
    limit_value BIGINT NOT NULL,
    description TEXT,
    project_id TEXT,
    domain_id TEXT
);
CREATE INDEX identity_limits_by_service ON identity_limits (service_id);
