DROP TABLE image_dates;
