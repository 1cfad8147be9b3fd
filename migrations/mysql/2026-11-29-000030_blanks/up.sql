-- utf8mb4_bin pads: to it "t" and "t " are one tag. MariaDB and MySQL call the collation that does not pad differently.
SET @collation = (
    SELECT collation_name FROM information_schema.collations
    WHERE collation_name IN ('utf8mb4_nopad_bin', 'utf8mb4_0900_bin') ORDER BY collation_name DESC LIMIT 1
);
SET SESSION foreign_key_checks = 0;
-- A column of a foreign key cannot be changed. MariaDB has made keys of the REFERENCES beside columns, MySQL has not:
-- they go, and come back for both.
SET @change = IF(VERSION() LIKE '%MariaDB%', 'ALTER TABLE image_properties DROP FOREIGN KEY IF EXISTS image_properties_ibfk_1', 'DO 0');
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = IF(VERSION() LIKE '%MariaDB%', 'ALTER TABLE image_tags DROP FOREIGN KEY IF EXISTS image_tags_ibfk_1', 'DO 0');
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = IF(VERSION() LIKE '%MariaDB%', 'ALTER TABLE image_members DROP FOREIGN KEY IF EXISTS image_members_ibfk_1', 'DO 0');
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = IF(VERSION() LIKE '%MariaDB%', 'ALTER TABLE image_locations DROP FOREIGN KEY IF EXISTS image_locations_ibfk_1', 'DO 0');
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = IF(VERSION() LIKE '%MariaDB%', 'ALTER TABLE identity_projects DROP FOREIGN KEY IF EXISTS identity_projects_ibfk_1', 'DO 0');
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = IF(VERSION() LIKE '%MariaDB%', 'ALTER TABLE identity_users DROP FOREIGN KEY IF EXISTS identity_users_ibfk_1', 'DO 0');
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = IF(VERSION() LIKE '%MariaDB%', 'ALTER TABLE identity_implied_roles DROP FOREIGN KEY IF EXISTS identity_implied_roles_ibfk_1, DROP FOREIGN KEY IF EXISTS identity_implied_roles_ibfk_2', 'DO 0');
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = IF(VERSION() LIKE '%MariaDB%', 'ALTER TABLE identity_assignments DROP FOREIGN KEY IF EXISTS identity_assignments_ibfk_1, DROP FOREIGN KEY IF EXISTS identity_assignments_ibfk_2', 'DO 0');
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = IF(VERSION() LIKE '%MariaDB%', 'ALTER TABLE identity_endpoints DROP FOREIGN KEY IF EXISTS identity_endpoints_ibfk_1', 'DO 0');
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = IF(VERSION() LIKE '%MariaDB%', 'ALTER TABLE identity_app_credentials DROP FOREIGN KEY IF EXISTS identity_app_credentials_ibfk_1, DROP FOREIGN KEY IF EXISTS identity_app_credentials_ibfk_2', 'DO 0');
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = IF(VERSION() LIKE '%MariaDB%', 'ALTER TABLE identity_app_credential_roles DROP FOREIGN KEY IF EXISTS identity_app_credential_roles_ibfk_1, DROP FOREIGN KEY IF EXISTS identity_app_credential_roles_ibfk_2', 'DO 0');
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = IF(VERSION() LIKE '%MariaDB%', 'ALTER TABLE identity_limits DROP FOREIGN KEY IF EXISTS identity_limits_ibfk_1', 'DO 0');
PREPARE change_table FROM @change;
EXECUTE change_table;
-- Those that are referred to come first.
SET @change = CONCAT('ALTER TABLE images CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation);
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = CONCAT('ALTER TABLE image_properties CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation, ',
    ADD FOREIGN KEY (image_id) REFERENCES images (id)');
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = CONCAT('ALTER TABLE image_tags CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation, ',
    ADD FOREIGN KEY (image_id) REFERENCES images (id)');
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = CONCAT('ALTER TABLE image_members CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation, ',
    ADD FOREIGN KEY (image_id) REFERENCES images (id)');
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = CONCAT('ALTER TABLE blobs CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation);
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = CONCAT('ALTER TABLE image_locations CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation, ',
    ADD FOREIGN KEY (image_id) REFERENCES images (id)');
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = CONCAT('ALTER TABLE identity_domains CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation);
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = CONCAT('ALTER TABLE identity_projects CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation, ',
    ADD FOREIGN KEY (domain_id) REFERENCES identity_domains (id)');
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = CONCAT('ALTER TABLE identity_users CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation, ',
    ADD FOREIGN KEY (domain_id) REFERENCES identity_domains (id)');
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = CONCAT('ALTER TABLE identity_roles CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation);
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = CONCAT('ALTER TABLE identity_implied_roles CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation, ',
    ADD FOREIGN KEY (prior_role_id) REFERENCES identity_roles (id),
    ADD FOREIGN KEY (implied_role_id) REFERENCES identity_roles (id)');
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = CONCAT('ALTER TABLE identity_assignments CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation, ',
    ADD FOREIGN KEY (user_id) REFERENCES identity_users (id),
    ADD FOREIGN KEY (role_id) REFERENCES identity_roles (id)');
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = CONCAT('ALTER TABLE identity_services CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation);
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = CONCAT('ALTER TABLE identity_regions CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation);
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = CONCAT('ALTER TABLE identity_endpoints CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation, ',
    ADD FOREIGN KEY (service_id) REFERENCES identity_services (id)');
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = CONCAT('ALTER TABLE identity_app_credentials CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation, ',
    ADD FOREIGN KEY (user_id) REFERENCES identity_users (id),
    ADD FOREIGN KEY (project_id) REFERENCES identity_projects (id)');
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = CONCAT('ALTER TABLE identity_app_credential_roles CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation, ',
    ADD FOREIGN KEY (app_credential_id) REFERENCES identity_app_credentials (id),
    ADD FOREIGN KEY (role_id) REFERENCES identity_roles (id)');
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = CONCAT('ALTER TABLE identity_revocations CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation);
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = CONCAT('ALTER TABLE identity_limits CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation, ',
    ADD FOREIGN KEY (service_id) REFERENCES identity_services (id)');
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = CONCAT('ALTER TABLE metadef_namespaces CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation);
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = CONCAT('ALTER TABLE metadef_resource_types CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation);
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = CONCAT('ALTER TABLE metadef_namespace_resource_types CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation);
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = CONCAT('ALTER TABLE metadef_objects CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation);
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = CONCAT('ALTER TABLE metadef_properties CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation);
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = CONCAT('ALTER TABLE metadef_tags CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation);
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = CONCAT('ALTER TABLE metadef_seed CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation);
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = CONCAT('ALTER TABLE jobs CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation);
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = CONCAT('ALTER TABLE node_reference CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation);
PREPARE change_table FROM @change;
EXECUTE change_table;
SET @change = CONCAT('ALTER TABLE cached_images CONVERT TO CHARACTER SET utf8mb4 COLLATE ', @collation);
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;
SET SESSION foreign_key_checks = 1;
