-- How fast a job that runs moves bytes, in bytes a second, as the node that works on it last said.
ALTER TABLE jobs ADD COLUMN bytes_rate BIGINT;
