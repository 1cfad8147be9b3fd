-- An order for each key by which lists of images can be sorted, in each way of seeing an image: as its owner, as everybody
-- where it is public or of the community, as an administrator. What is shared with a project is sorted in each request.
-- No index can be of an expression on MariaDB, so the values that NULL stands for have columns, which take no room but there.
-- They are there already where transactions under way were in the way of the rest, and this is tried again.
SET @change = (
    SELECT IF(COUNT(*) > 0, 'DO 0', 'ALTER TABLE images
        ADD COLUMN name_key VARCHAR(255) AS (COALESCE(name, '''')) VIRTUAL,
        ADD COLUMN container_format_key VARCHAR(64) AS (COALESCE(container_format, '''')) VIRTUAL,
        ADD COLUMN disk_format_key VARCHAR(64) AS (COALESCE(disk_format, '''')) VIRTUAL,
        ADD COLUMN size_key BIGINT AS (COALESCE(size, 0)) VIRTUAL')
    FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'images' AND column_name = 'name_key'
);
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;
ALTER TABLE images
    ADD INDEX images_own_by_name (deleted, owner, name_key, created_at, id),
    ADD INDEX images_own_by_status (deleted, owner, status, created_at, id),
    ADD INDEX images_own_by_container_format (deleted, owner, container_format_key, created_at, id),
    ADD INDEX images_own_by_disk_format (deleted, owner, disk_format_key, created_at, id),
    ADD INDEX images_own_by_size (deleted, owner, size_key, created_at, id),
    ADD INDEX images_own_by_updated_at (deleted, owner, updated_at, created_at, id),
    ADD INDEX images_own_by_id (deleted, owner, id),
    ADD INDEX images_visible_by_name (deleted, visibility, name_key, created_at, id),
    ADD INDEX images_visible_by_status (deleted, visibility, status, created_at, id),
    ADD INDEX images_visible_by_container_format (deleted, visibility, container_format_key, created_at, id),
    ADD INDEX images_visible_by_disk_format (deleted, visibility, disk_format_key, created_at, id),
    ADD INDEX images_visible_by_size (deleted, visibility, size_key, created_at, id),
    ADD INDEX images_visible_by_updated_at (deleted, visibility, updated_at, created_at, id),
    ADD INDEX images_visible_by_id (deleted, visibility, id),
    ADD INDEX images_all_by_name (deleted, name_key, created_at, id),
    ADD INDEX images_all_by_status (deleted, status, created_at, id),
    ADD INDEX images_all_by_container_format (deleted, container_format_key, created_at, id),
    ADD INDEX images_all_by_disk_format (deleted, disk_format_key, created_at, id),
    ADD INDEX images_all_by_size (deleted, size_key, created_at, id),
    ADD INDEX images_all_by_updated_at (deleted, updated_at, created_at, id);
