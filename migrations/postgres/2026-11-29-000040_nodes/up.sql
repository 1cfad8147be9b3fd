-- Servers that share this database, so that operators see who runs and whether they agree. A server writes its row
-- when it starts, renews it with its leases and removes it when it stops. settings is JSON: what must agree, group by
-- group, each as a hash. Times are microseconds since 1970-01-01 UTC.
CREATE TABLE nodes (
    id VARCHAR(36) NOT NULL PRIMARY KEY,
    host VARCHAR(255) NOT NULL,
    bind VARCHAR(255) NOT NULL,
    version VARCHAR(64) NOT NULL,
    settings TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    lease_until BIGINT NOT NULL
);
CREATE INDEX nodes_by_lease ON nodes (lease_until);

-- The keys that sign tokens of the built-in identity: their private halves in PEM. The one that nothing has replaced
-- signs; a replaced one is kept until its last token has expired. Two nodes that make the next generation at the same
-- time meet at its number, and one of them wins.
CREATE TABLE identity_keys (
    generation BIGINT NOT NULL PRIMARY KEY,
    kid VARCHAR(64) NOT NULL UNIQUE,
    private_key TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    replaced_at BIGINT
);
