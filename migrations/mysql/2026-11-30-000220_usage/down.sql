DROP TABLE usage_rates;
DROP TABLE usage_entries;
DROP TABLE usage_intervals;
