-- The built-in identity. Times are microseconds since 1970-01-01 UTC; extra is a JSON object of further attributes.
CREATE TABLE identity_domains (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    name VARCHAR(255) NOT NULL UNIQUE,
    description MEDIUMTEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    extra MEDIUMTEXT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE identity_projects (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    name VARCHAR(255) NOT NULL,
    domain_id VARCHAR(64) NOT NULL REFERENCES identity_domains (id),
    parent_id VARCHAR(64) NOT NULL,
    description MEDIUMTEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    extra MEDIUMTEXT NOT NULL,
    UNIQUE (domain_id, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX identity_projects_by_parent ON identity_projects (parent_id);

CREATE TABLE identity_users (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    name VARCHAR(255) NOT NULL,
    domain_id VARCHAR(64) NOT NULL REFERENCES identity_domains (id),
    default_project_id VARCHAR(64),
    enabled BOOLEAN NOT NULL,
    password_hash VARCHAR(255),
    extra MEDIUMTEXT NOT NULL,
    UNIQUE (domain_id, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE identity_roles (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    name VARCHAR(255) NOT NULL UNIQUE,
    description MEDIUMTEXT,
    extra MEDIUMTEXT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE identity_implied_roles (
    prior_role_id VARCHAR(64) NOT NULL REFERENCES identity_roles (id),
    implied_role_id VARCHAR(64) NOT NULL REFERENCES identity_roles (id),
    PRIMARY KEY (prior_role_id, implied_role_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- scope_kind is project, domain or system; scope_id is the project's or domain's id, or all.
CREATE TABLE identity_assignments (
    user_id VARCHAR(64) NOT NULL REFERENCES identity_users (id),
    scope_kind VARCHAR(16) NOT NULL,
    scope_id VARCHAR(64) NOT NULL,
    role_id VARCHAR(64) NOT NULL REFERENCES identity_roles (id),
    PRIMARY KEY (user_id, scope_kind, scope_id, role_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX identity_assignments_by_scope ON identity_assignments (scope_kind, scope_id);
CREATE INDEX identity_assignments_by_role ON identity_assignments (role_id);

CREATE TABLE identity_services (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    kind VARCHAR(255) NOT NULL,
    name VARCHAR(255) NOT NULL,
    description MEDIUMTEXT,
    enabled BOOLEAN NOT NULL,
    extra MEDIUMTEXT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE identity_regions (
    id VARCHAR(255) NOT NULL PRIMARY KEY,
    description MEDIUMTEXT NOT NULL,
    parent_region_id VARCHAR(255)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- $(base_url)s in url stands for the address under which the client reached the server.
CREATE TABLE identity_endpoints (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    service_id VARCHAR(64) NOT NULL REFERENCES identity_services (id),
    interface VARCHAR(16) NOT NULL,
    region_id VARCHAR(255),
    url MEDIUMTEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    extra MEDIUMTEXT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX identity_endpoints_by_service ON identity_endpoints (service_id);

CREATE TABLE identity_app_credentials (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    name VARCHAR(255) NOT NULL,
    user_id VARCHAR(64) NOT NULL REFERENCES identity_users (id),
    project_id VARCHAR(64) NOT NULL REFERENCES identity_projects (id),
    description MEDIUMTEXT,
    secret_hash VARCHAR(255) NOT NULL,
    expires_at BIGINT,
    unrestricted BOOLEAN NOT NULL,
    access_rules MEDIUMTEXT,
    created_at BIGINT NOT NULL,
    UNIQUE (user_id, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX identity_app_credentials_by_project ON identity_app_credentials (project_id);

CREATE TABLE identity_app_credential_roles (
    app_credential_id VARCHAR(64) NOT NULL REFERENCES identity_app_credentials (id),
    role_id VARCHAR(64) NOT NULL REFERENCES identity_roles (id),
    PRIMARY KEY (app_credential_id, role_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- A token is revoked by a row when every id that the row has is the token's, and the token was issued no later
-- than issued_before.
CREATE TABLE identity_revocations (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    audit_id VARCHAR(64),
    audit_chain_id VARCHAR(64),
    user_id VARCHAR(64),
    project_id VARCHAR(64),
    domain_id VARCHAR(64),
    issued_before BIGINT NOT NULL,
    revoked_at BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX identity_revocations_by_audit ON identity_revocations (audit_id);
CREATE INDEX identity_revocations_by_chain ON identity_revocations (audit_chain_id);
CREATE INDEX identity_revocations_by_user ON identity_revocations (user_id);
CREATE INDEX identity_revocations_by_project ON identity_revocations (project_id);
CREATE INDEX identity_revocations_by_domain ON identity_revocations (domain_id);
CREATE INDEX identity_revocations_by_time ON identity_revocations (revoked_at);

-- A limit without project_id and domain_id is a registered limit: the default for everybody.
CREATE TABLE identity_limits (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    service_id VARCHAR(64) NOT NULL REFERENCES identity_services (id),
    region_id VARCHAR(255),
    resource_name VARCHAR(255) NOT NULL,
    limit_value BIGINT NOT NULL,
    description MEDIUMTEXT,
    project_id VARCHAR(64),
    domain_id VARCHAR(64)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX identity_limits_by_service ON identity_limits (service_id);
