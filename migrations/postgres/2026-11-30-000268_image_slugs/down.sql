DROP TABLE image_slugs;
