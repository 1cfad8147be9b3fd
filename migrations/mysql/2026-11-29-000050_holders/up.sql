-- A blob that is being written is held by its upload, or by an attempt at a job, no longer by a whole node.
ALTER TABLE blobs CHANGE lease_node holder VARCHAR(64) NOT NULL;
