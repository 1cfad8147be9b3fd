DROP TABLE staging_places;
