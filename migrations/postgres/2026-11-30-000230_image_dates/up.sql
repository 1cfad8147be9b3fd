-- What is to be done with images by their dates: a row goes when it is done. It comes when a date is set, so that dates that
-- were there before, or came from elsewhere, do nothing.
CREATE TABLE image_dates (
    image_id VARCHAR(36) NOT NULL,
    act VARCHAR(16) NOT NULL,
    due_at BIGINT NOT NULL,
    PRIMARY KEY (image_id, act)
);
CREATE INDEX image_dates_due ON image_dates (due_at);
