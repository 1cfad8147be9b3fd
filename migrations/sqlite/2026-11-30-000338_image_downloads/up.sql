-- When images were last downloaded from here, as the nodes write it down once an hour.
CREATE TABLE image_downloads (
    image_id TEXT PRIMARY KEY NOT NULL,
    downloaded_at BIGINT NOT NULL
);
