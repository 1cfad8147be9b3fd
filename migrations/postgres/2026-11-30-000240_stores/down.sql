DROP TABLE quarantine;
DROP TABLE store_findings;
DROP TABLE store_states;
