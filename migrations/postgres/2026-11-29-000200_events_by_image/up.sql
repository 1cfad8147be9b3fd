-- The history of an image is read in the order of its events.
CREATE INDEX events_by_image ON events (image_id, sequence);
