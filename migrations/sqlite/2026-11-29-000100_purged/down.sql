DROP TABLE purged_images;
