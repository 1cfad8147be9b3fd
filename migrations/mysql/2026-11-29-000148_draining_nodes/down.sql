ALTER TABLE nodes DROP COLUMN draining_since;
