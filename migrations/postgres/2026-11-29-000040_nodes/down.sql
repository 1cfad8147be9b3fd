DROP TABLE identity_keys;
DROP TABLE nodes;
