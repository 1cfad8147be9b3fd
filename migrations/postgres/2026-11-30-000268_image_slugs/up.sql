-- The short names of images, each once in its project. A row comes when a name is set, so that those that were there before, or
-- came from elsewhere, keep nobody from theirs; it stays while the image is in the bin.
CREATE TABLE image_slugs (
    owner VARCHAR(255) NOT NULL,
    slug VARCHAR(63) NOT NULL,
    image_id VARCHAR(36) NOT NULL,
    PRIMARY KEY (owner, slug)
);
CREATE UNIQUE INDEX image_slugs_of_image ON image_slugs (image_id);
