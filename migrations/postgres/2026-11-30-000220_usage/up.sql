-- What is charged for: an interval for as long as an image has data, opened and closed in the transactions that change
-- the image, and one for each consumer of an image that has a licence. An interval without a consumer is the image's own.
-- Times are microseconds since 1970-01-01 UTC. `stores` and `tags` are JSON arrays of texts. `pending` has 1 while the opening
-- and 2 while the closing has no number in usage_entries.
CREATE TABLE usage_intervals (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    image_id VARCHAR(36) NOT NULL,
    consumer VARCHAR(300) NOT NULL,
    project_id VARCHAR(255),
    bytes BIGINT NOT NULL,
    virtual_bytes BIGINT NOT NULL,
    stores TEXT NOT NULL,
    image_name VARCHAR(255),
    media_group VARCHAR(255),
    tags TEXT NOT NULL,
    sku VARCHAR(255),
    is_public BOOLEAN NOT NULL,
    from_ts BIGINT NOT NULL,
    to_ts BIGINT,
    opened_by VARCHAR(32) NOT NULL,
    closed_by VARCHAR(32),
    pending BIGINT NOT NULL
);
CREATE INDEX usage_intervals_by_image ON usage_intervals (image_id, consumer, id);
CREATE INDEX usage_intervals_by_project ON usage_intervals (project_id, image_id, consumer, id);
CREATE INDEX usage_intervals_by_pending ON usage_intervals (pending);
-- The openings and closings in the order in which billers get them, numbered without gaps.
CREATE TABLE usage_entries (
    seq BIGINT PRIMARY KEY,
    interval_id BIGINT NOT NULL,
    closes BOOLEAN NOT NULL
);
-- Prices, each from a time on; of two from one time the later row counts.
CREATE TABLE usage_rates (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    valid_from BIGINT NOT NULL,
    document TEXT NOT NULL,
    user_id VARCHAR(255),
    created_at BIGINT NOT NULL
);
-- Images that are there already have had their data since they were activated, as far as that is still known, or else
-- since they were made.
INSERT INTO usage_intervals (image_id, consumer, project_id, bytes, virtual_bytes, stores, image_name, media_group, tags,
    sku, is_public, from_ts, to_ts, opened_by, closed_by, pending)
SELECT i.id, '', i.owner, COALESCE(i.size, 0), COALESCE(i.virtual_size, i.size, 0),
    COALESCE((SELECT json_agg(COALESCE(l.store, '') ORDER BY l.position, l.id)::text
        FROM image_locations l WHERE l.image_id = i.id), '[]'),
    i.name,
    (SELECT SUBSTR(p.value, 1, 255) FROM image_properties p WHERE p.image_id = i.id AND p.name = 'media_group'),
    COALESCE((SELECT json_agg(t.value ORDER BY t.value)::text FROM image_tags t WHERE t.image_id = i.id), '[]'),
    (SELECT SUBSTR(p.value, 1, 255) FROM image_properties p WHERE p.image_id = i.id AND p.name = 'license_sku'),
    i.visibility = 'public',
    COALESCE((SELECT MIN(a.created_at) FROM events a WHERE a.image_id = i.id AND a.kind = 'image.activate'
        AND EXISTS (SELECT 1 FROM events c WHERE c.image_id = i.id AND c.kind = 'image.create')), i.created_at),
    NULL, 'found', NULL, 1
FROM images i WHERE NOT i.deleted AND i.status IN ('active', 'deactivated') ORDER BY i.created_at, i.id;
