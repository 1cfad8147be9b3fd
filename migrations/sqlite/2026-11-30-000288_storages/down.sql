DROP TABLE placement_rules;
DROP TABLE storages;
