DROP TABLE media_groups;
