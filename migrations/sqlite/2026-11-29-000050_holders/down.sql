ALTER TABLE blobs RENAME COLUMN holder TO lease_node;
