DROP TABLE quota_accounts;
DROP INDEX blobs_reserved ON blobs;
ALTER TABLE blobs DROP COLUMN reserved;
