DROP TABLE moved_in;
