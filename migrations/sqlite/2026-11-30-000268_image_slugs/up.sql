-- The short names of images, each once in its project. A row comes when a name is set, so that those that were there before, or
-- came from elsewhere, keep nobody from theirs; it stays while the image is in the bin.
CREATE TABLE image_slugs (
    owner TEXT NOT NULL,
    slug TEXT NOT NULL,
    image_id TEXT NOT NULL,
    PRIMARY KEY (owner, slug)
);
CREATE UNIQUE INDEX image_slugs_of_image ON image_slugs (image_id);
