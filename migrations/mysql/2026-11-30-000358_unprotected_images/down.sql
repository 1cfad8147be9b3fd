DROP TABLE unprotected_images;
