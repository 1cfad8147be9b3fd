DROP TABLE family_publications;
DROP TABLE families;
