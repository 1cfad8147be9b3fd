DROP TABLE image_creations;
