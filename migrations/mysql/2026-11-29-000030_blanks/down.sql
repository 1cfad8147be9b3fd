SET SESSION foreign_key_checks = 0;
ALTER TABLE image_properties DROP FOREIGN KEY image_properties_ibfk_1;
ALTER TABLE image_tags DROP FOREIGN KEY image_tags_ibfk_1;
ALTER TABLE image_members DROP FOREIGN KEY image_members_ibfk_1;
ALTER TABLE image_locations DROP FOREIGN KEY image_locations_ibfk_1;
ALTER TABLE identity_projects DROP FOREIGN KEY identity_projects_ibfk_1;
ALTER TABLE identity_users DROP FOREIGN KEY identity_users_ibfk_1;
ALTER TABLE identity_implied_roles DROP FOREIGN KEY identity_implied_roles_ibfk_1, DROP FOREIGN KEY identity_implied_roles_ibfk_2;
ALTER TABLE identity_assignments DROP FOREIGN KEY identity_assignments_ibfk_1, DROP FOREIGN KEY identity_assignments_ibfk_2;
ALTER TABLE identity_endpoints DROP FOREIGN KEY identity_endpoints_ibfk_1;
ALTER TABLE identity_app_credentials DROP FOREIGN KEY identity_app_credentials_ibfk_1, DROP FOREIGN KEY identity_app_credentials_ibfk_2;
ALTER TABLE identity_app_credential_roles DROP FOREIGN KEY identity_app_credential_roles_ibfk_1, DROP FOREIGN KEY identity_app_credential_roles_ibfk_2;
ALTER TABLE identity_limits DROP FOREIGN KEY identity_limits_ibfk_1;
ALTER TABLE images CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
ALTER TABLE image_properties CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    ADD FOREIGN KEY (image_id) REFERENCES images (id);
ALTER TABLE image_tags CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    ADD FOREIGN KEY (image_id) REFERENCES images (id);
ALTER TABLE image_members CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    ADD FOREIGN KEY (image_id) REFERENCES images (id);
ALTER TABLE blobs CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
ALTER TABLE image_locations CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    ADD FOREIGN KEY (image_id) REFERENCES images (id);
ALTER TABLE identity_domains CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
ALTER TABLE identity_projects CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    ADD FOREIGN KEY (domain_id) REFERENCES identity_domains (id);
ALTER TABLE identity_users CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    ADD FOREIGN KEY (domain_id) REFERENCES identity_domains (id);
ALTER TABLE identity_roles CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
ALTER TABLE identity_implied_roles CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    ADD FOREIGN KEY (prior_role_id) REFERENCES identity_roles (id),
    ADD FOREIGN KEY (implied_role_id) REFERENCES identity_roles (id);
ALTER TABLE identity_assignments CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    ADD FOREIGN KEY (user_id) REFERENCES identity_users (id),
    ADD FOREIGN KEY (role_id) REFERENCES identity_roles (id);
ALTER TABLE identity_services CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
ALTER TABLE identity_regions CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
ALTER TABLE identity_endpoints CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    ADD FOREIGN KEY (service_id) REFERENCES identity_services (id);
ALTER TABLE identity_app_credentials CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    ADD FOREIGN KEY (user_id) REFERENCES identity_users (id),
    ADD FOREIGN KEY (project_id) REFERENCES identity_projects (id);
ALTER TABLE identity_app_credential_roles CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    ADD FOREIGN KEY (app_credential_id) REFERENCES identity_app_credentials (id),
    ADD FOREIGN KEY (role_id) REFERENCES identity_roles (id);
ALTER TABLE identity_revocations CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
ALTER TABLE identity_limits CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    ADD FOREIGN KEY (service_id) REFERENCES identity_services (id);
ALTER TABLE metadef_namespaces CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
ALTER TABLE metadef_resource_types CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
ALTER TABLE metadef_namespace_resource_types CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
ALTER TABLE metadef_objects CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
ALTER TABLE metadef_properties CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
ALTER TABLE metadef_tags CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
ALTER TABLE metadef_seed CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
ALTER TABLE jobs CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
ALTER TABLE node_reference CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
ALTER TABLE cached_images CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
SET SESSION foreign_key_checks = 1;
