-- Ids of images whose rows an operator had dropped: none is ever given to another image. Times are microseconds since
-- 1970-01-01 UTC.
CREATE TABLE purged_images (
    id VARCHAR(36) NOT NULL PRIMARY KEY,
    purged_at BIGINT NOT NULL
);
