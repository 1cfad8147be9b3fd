-- The place in a trace of whoever asked for a job, as W3C Trace Context writes it.
ALTER TABLE jobs ADD COLUMN traceparent TEXT;
