-- An order for each key by which lists of images can be sorted, in each way of seeing an image: as its owner, as everybody
-- where it is public or of the community, as an administrator. What is shared with a project is sorted in each request.
CREATE INDEX images_own_by_name ON images (owner, COALESCE(name, ''), created_at, id) WHERE NOT deleted;
CREATE INDEX images_own_by_status ON images (owner, status, created_at, id) WHERE NOT deleted;
CREATE INDEX images_own_by_container_format ON images (owner, COALESCE(container_format, ''), created_at, id) WHERE NOT deleted;
CREATE INDEX images_own_by_disk_format ON images (owner, COALESCE(disk_format, ''), created_at, id) WHERE NOT deleted;
CREATE INDEX images_own_by_size ON images (owner, COALESCE(size, 0), created_at, id) WHERE NOT deleted;
CREATE INDEX images_own_by_updated_at ON images (owner, updated_at, created_at, id) WHERE NOT deleted;
CREATE INDEX images_own_by_id ON images (owner, id) WHERE NOT deleted;
CREATE INDEX images_visible_by_name ON images (visibility, COALESCE(name, ''), created_at, id) WHERE NOT deleted AND visibility <> 'private' AND visibility <> 'shared';
CREATE INDEX images_visible_by_status ON images (visibility, status, created_at, id) WHERE NOT deleted AND visibility <> 'private' AND visibility <> 'shared';
CREATE INDEX images_visible_by_container_format ON images (visibility, COALESCE(container_format, ''), created_at, id) WHERE NOT deleted AND visibility <> 'private' AND visibility <> 'shared';
CREATE INDEX images_visible_by_disk_format ON images (visibility, COALESCE(disk_format, ''), created_at, id) WHERE NOT deleted AND visibility <> 'private' AND visibility <> 'shared';
CREATE INDEX images_visible_by_size ON images (visibility, COALESCE(size, 0), created_at, id) WHERE NOT deleted AND visibility <> 'private' AND visibility <> 'shared';
CREATE INDEX images_visible_by_updated_at ON images (visibility, updated_at, created_at, id) WHERE NOT deleted AND visibility <> 'private' AND visibility <> 'shared';
CREATE INDEX images_visible_by_id ON images (visibility, id) WHERE NOT deleted AND visibility <> 'private' AND visibility <> 'shared';
CREATE INDEX images_all_by_name ON images (COALESCE(name, ''), created_at, id) WHERE NOT deleted;
CREATE INDEX images_all_by_status ON images (status, created_at, id) WHERE NOT deleted;
CREATE INDEX images_all_by_container_format ON images (COALESCE(container_format, ''), created_at, id) WHERE NOT deleted;
CREATE INDEX images_all_by_disk_format ON images (COALESCE(disk_format, ''), created_at, id) WHERE NOT deleted;
CREATE INDEX images_all_by_size ON images (COALESCE(size, 0), created_at, id) WHERE NOT deleted;
CREATE INDEX images_all_by_updated_at ON images (updated_at, created_at, id) WHERE NOT deleted;
