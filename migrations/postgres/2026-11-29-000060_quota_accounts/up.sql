-- Bytes that a blob stands for in the quota of its image's project while no location of the image does: reserved ahead of
-- the data, and kept for as long as the bytes may be there.
ALTER TABLE blobs ADD COLUMN reserved BIGINT NOT NULL DEFAULT 0;
UPDATE blobs SET reserved = COALESCE(size, 0) WHERE state = 'live' AND store LIKE 'os_glance_staging_store@%';
CREATE INDEX blobs_reserved ON blobs (image_id) WHERE reserved > 0;

-- A row for each project whose quota was ever asked. It holds nothing: whoever locks it counts alone.
CREATE TABLE quota_accounts (
    project_id VARCHAR(255) NOT NULL PRIMARY KEY
);
