UPDATE blobs SET holder = LEFT(holder, 36);
ALTER TABLE blobs CHANGE holder lease_node VARCHAR(36) NOT NULL;
