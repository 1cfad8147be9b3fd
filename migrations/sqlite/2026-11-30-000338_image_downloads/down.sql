DROP TABLE image_downloads;
