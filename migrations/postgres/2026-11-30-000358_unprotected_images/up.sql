-- When images ceased to be protected, where that delays their deletion.
CREATE TABLE unprotected_images (
    image_id VARCHAR(36) NOT NULL PRIMARY KEY,
    since BIGINT NOT NULL
);
