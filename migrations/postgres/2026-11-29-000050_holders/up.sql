-- A blob that is being written is held by its upload, or by an attempt at a job, no longer by a whole node.
ALTER TABLE blobs RENAME COLUMN lease_node TO holder;
ALTER TABLE blobs ALTER COLUMN holder TYPE VARCHAR(64);
