ALTER TABLE blobs ALTER COLUMN holder TYPE VARCHAR(36) USING substr(holder, 1, 36);
ALTER TABLE blobs RENAME COLUMN holder TO lease_node;
