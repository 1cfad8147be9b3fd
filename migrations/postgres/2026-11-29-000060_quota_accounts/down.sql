DROP TABLE quota_accounts;
DROP INDEX blobs_reserved;
ALTER TABLE blobs DROP COLUMN reserved;
