-- How far databases of Glance have been taken over: the address of each, and what was noted last, as JSON.
CREATE TABLE moved_in (
    source VARCHAR(255) NOT NULL PRIMARY KEY,
    state TEXT NOT NULL
);
