DROP INDEX events_by_image ON events;
