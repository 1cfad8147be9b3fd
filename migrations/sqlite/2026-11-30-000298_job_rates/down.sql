ALTER TABLE jobs DROP COLUMN bytes_rate;
