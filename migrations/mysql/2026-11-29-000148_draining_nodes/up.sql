-- When a node began to drain, in microseconds since 1970-01-01 UTC, if it does: it goes on, but is told to stop.
ALTER TABLE nodes ADD COLUMN draining_since BIGINT;
