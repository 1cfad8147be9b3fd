-- What others are told of, a row for each who is told; deleted when it was. `notice_readers` says which node tells them
-- at the moment. Times are microseconds since 1970-01-01 UTC.
CREATE TABLE notices (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    reader TEXT NOT NULL,
    kind TEXT NOT NULL,
    priority TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX notices_by_reader ON notices (reader, sequence);
CREATE TABLE notice_readers (
    name TEXT NOT NULL PRIMARY KEY,
    holder TEXT,
    lease_until BIGINT NOT NULL
);
