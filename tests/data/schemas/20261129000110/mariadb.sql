
/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET @OLD_CHARACTER_SET_RESULTS=@@CHARACTER_SET_RESULTS */;
/*!40101 SET @OLD_COLLATION_CONNECTION=@@COLLATION_CONNECTION */;
/*!40101 SET NAMES utf8mb4 */;
/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */;
/*!40103 SET TIME_ZONE='+00:00' */;
/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `__diesel_schema_migrations` (
  `version` varchar(50) NOT NULL,
  `run_on` timestamp NOT NULL DEFAULT current_timestamp(),
  PRIMARY KEY (`version`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `__diesel_schema_migrations` VALUES ('20261121000001','2026-11-29 13:42:17');
INSERT INTO `__diesel_schema_migrations` VALUES ('20261121000002','2026-11-29 13:42:18');
INSERT INTO `__diesel_schema_migrations` VALUES ('20261121000003','2026-11-29 13:42:18');
INSERT INTO `__diesel_schema_migrations` VALUES ('20261121000004','2026-11-29 13:42:18');
INSERT INTO `__diesel_schema_migrations` VALUES ('20261121000010','2026-11-29 13:42:18');
INSERT INTO `__diesel_schema_migrations` VALUES ('20261129000020','2026-11-29 13:42:18');
INSERT INTO `__diesel_schema_migrations` VALUES ('20261129000030','2026-11-29 13:42:19');
INSERT INTO `__diesel_schema_migrations` VALUES ('20261129000040','2026-11-29 13:42:19');
INSERT INTO `__diesel_schema_migrations` VALUES ('20261129000050','2026-11-29 13:42:19');
INSERT INTO `__diesel_schema_migrations` VALUES ('20261129000060','2026-11-29 13:42:19');
INSERT INTO `__diesel_schema_migrations` VALUES ('20261129000070','2026-11-29 13:42:19');
INSERT INTO `__diesel_schema_migrations` VALUES ('20261129000100','2026-11-29 13:42:19');
INSERT INTO `__diesel_schema_migrations` VALUES ('20261129000110','2026-11-29 13:42:19');
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `blobs` (
  `id` varchar(36) NOT NULL,
  `image_id` varchar(36) NOT NULL,
  `store` varchar(255) NOT NULL,
  `name` varchar(255) NOT NULL,
  `state` varchar(16) NOT NULL,
  `size` bigint(20) DEFAULT NULL,
  `holder` varchar(64) NOT NULL,
  `lease_until` bigint(20) NOT NULL,
  `delete_after` bigint(20) NOT NULL,
  `attempts` int(11) NOT NULL,
  `last_error` mediumtext DEFAULT NULL,
  `created_at` bigint(20) NOT NULL,
  `updated_at` bigint(20) NOT NULL,
  `reserved` bigint(20) NOT NULL DEFAULT 0,
  PRIMARY KEY (`id`),
  UNIQUE KEY `store` (`store`,`name`),
  KEY `blobs_by_image` (`image_id`),
  KEY `blobs_by_state` (`state`,`lease_until`),
  KEY `blobs_reserved` (`reserved`,`image_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `blobs` VALUES ('281ab1db-d327-446e-b585-08ac66a5e925','00000000-0000-4000-8000-000000000100','file','00000000-0000-4000-8000-000000000100','live',4,'281ab1db-d327-446e-b585-08ac66a5e925',0,0,0,NULL,1795959741798869,1795959741853152,0);
INSERT INTO `blobs` VALUES ('34214b38-ef45-4d3a-a338-09cedb601e97','00000000-0000-4000-8000-000000000101','file','00000000-0000-4000-8000-000000000101','live',9,'34214b38-ef45-4d3a-a338-09cedb601e97',0,0,0,NULL,1795959741881123,1795959741886509,0);
INSERT INTO `blobs` VALUES ('6e99c7b2-29b0-4c3d-84ae-72a127f8be5b','00000000-0000-4000-8000-000000000103','file','00000000-0000-4000-8000-000000000103','live',1,'6e99c7b2-29b0-4c3d-84ae-72a127f8be5b',0,0,0,NULL,1795959741938329,1795959741957649,0);
INSERT INTO `blobs` VALUES ('72f8ef89-6931-4fab-820f-aace8b886834','00000000-0000-4000-8000-000000000102','file','00000000-0000-4000-8000-000000000102','live',1,'72f8ef89-6931-4fab-820f-aace8b886834',0,0,0,NULL,1795959741910022,1795959741913715,0);
INSERT INTO `blobs` VALUES ('c3f048ce-21ab-4c0a-8d7b-fd4ea7febfd8','00000000-0000-4000-8000-000000000106','file','00000000-0000-4000-8000-000000000106','live',6,'0df7c7f9-44cb-4cb9-87bd-6f4465bf9941/1',0,0,0,NULL,1795959742182557,1795959742235029,0);
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `cached_images` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `image_id` varchar(36) NOT NULL,
  `node_reference_id` bigint(20) NOT NULL,
  `size` bigint(20) NOT NULL,
  `hits` bigint(20) NOT NULL,
  `checksum` varchar(32) DEFAULT NULL,
  `content` varchar(200) NOT NULL,
  `last_accessed` bigint(20) NOT NULL,
  `last_modified` bigint(20) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `image_id` (`image_id`,`node_reference_id`),
  KEY `cached_images_by_node` (`node_reference_id`,`id`),
  CONSTRAINT `cached_images_ibfk_1` FOREIGN KEY (`node_reference_id`) REFERENCES `node_reference` (`node_reference_id`)
) ENGINE=InnoDB AUTO_INCREMENT=2 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `cached_images` VALUES (1,'00000000-0000-4000-8000-000000000001',1,4,1,NULL,'x',1,1);
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `events` (
  `sequence` bigint(20) NOT NULL AUTO_INCREMENT,
  `kind` varchar(64) NOT NULL,
  `image_id` varchar(36) NOT NULL,
  `project_id` varchar(255) DEFAULT NULL,
  `user_id` varchar(255) DEFAULT NULL,
  `request_project_id` varchar(255) DEFAULT NULL,
  `request_id` varchar(255) NOT NULL,
  `changes` mediumtext NOT NULL,
  `created_at` bigint(20) NOT NULL,
  PRIMARY KEY (`sequence`),
  KEY `events_by_time` (`created_at`)
) ENGINE=InnoDB AUTO_INCREMENT=27 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `events` VALUES (1,'image.create','00000000-0000-4000-8000-000000000100','f8d58922d8144920a9eae4c04a9c81a6','1a6f4e698e3641c5bf645528ab7956ee','f8d58922d8144920a9eae4c04a9c81a6','req-a2050882-91e8-4bf8-8289-0b1846df0097','{\"status\":[null,\"queued\"]}',1795959741742204);
INSERT INTO `events` VALUES (2,'image.prepare','00000000-0000-4000-8000-000000000100','f8d58922d8144920a9eae4c04a9c81a6','1a6f4e698e3641c5bf645528ab7956ee','f8d58922d8144920a9eae4c04a9c81a6','req-e429af73-577a-4e02-94fc-4d9511d41d38','{\"status\":[\"queued\",\"saving\"]}',1795959741793592);
INSERT INTO `events` VALUES (3,'image.activate','00000000-0000-4000-8000-000000000100','f8d58922d8144920a9eae4c04a9c81a6','1a6f4e698e3641c5bf645528ab7956ee','f8d58922d8144920a9eae4c04a9c81a6','req-e429af73-577a-4e02-94fc-4d9511d41d38','{\"status\":[\"saving\",\"active\"],\"size\":[null,4],\"virtual_size\":[null,4],\"checksum\":[null,\"8d777f385d3dfec8815d20f7496026dc\"],\"os_hash_value\":[null,\"77c7ce9a5d86bb386d443bb96390faa120633158699c8844c30b13ab0bf92760b7e4416aea397db91b4ac0e5dd56b8ef7e4b066162ab1fdc088319ce6defc876\"],\"stores\":[[],[\"file\"]]}',1795959741863500);
INSERT INTO `events` VALUES (4,'image.create','00000000-0000-4000-8000-000000000101','f8d58922d8144920a9eae4c04a9c81a6','1a6f4e698e3641c5bf645528ab7956ee','f8d58922d8144920a9eae4c04a9c81a6','req-d03a96af-b01c-4c11-81fe-5e1fe4966548','{\"status\":[null,\"queued\"]}',1795959741871192);
INSERT INTO `events` VALUES (5,'image.prepare','00000000-0000-4000-8000-000000000101','f8d58922d8144920a9eae4c04a9c81a6','1a6f4e698e3641c5bf645528ab7956ee','f8d58922d8144920a9eae4c04a9c81a6','req-bf117ef7-ba94-4d51-8031-921569219505','{\"status\":[\"queued\",\"saving\"]}',1795959741880321);
INSERT INTO `events` VALUES (6,'image.activate','00000000-0000-4000-8000-000000000101','f8d58922d8144920a9eae4c04a9c81a6','1a6f4e698e3641c5bf645528ab7956ee','f8d58922d8144920a9eae4c04a9c81a6','req-bf117ef7-ba94-4d51-8031-921569219505','{\"status\":[\"saving\",\"active\"],\"size\":[null,9],\"virtual_size\":[null,9],\"checksum\":[null,\"dcbf294a2b7c4aa094e39e588dcfd38a\"],\"os_hash_value\":[null,\"c05630049a7bd3b815404b8aed7f71aad804ad03104e39ecb0d7fcb753ef7d6b1426ea600a4230091cf5a8a73de7cab28ea376c8cc8880b5c7fbd1bd72dc7556\"],\"stores\":[[],[\"file\"]]}',1795959741888220);
INSERT INTO `events` VALUES (7,'image.create','00000000-0000-4000-8000-000000000102','f8d58922d8144920a9eae4c04a9c81a6','1a6f4e698e3641c5bf645528ab7956ee','f8d58922d8144920a9eae4c04a9c81a6','req-69675740-b922-46a9-8084-5443d2c5fd5c','{\"status\":[null,\"queued\"]}',1795959741893690);
INSERT INTO `events` VALUES (8,'image.prepare','00000000-0000-4000-8000-000000000102','f8d58922d8144920a9eae4c04a9c81a6','1a6f4e698e3641c5bf645528ab7956ee','f8d58922d8144920a9eae4c04a9c81a6','req-656a63f2-b7f0-434b-bd04-93c95ef2c0a9','{\"status\":[\"queued\",\"saving\"]}',1795959741909248);
INSERT INTO `events` VALUES (9,'image.activate','00000000-0000-4000-8000-000000000102','f8d58922d8144920a9eae4c04a9c81a6','1a6f4e698e3641c5bf645528ab7956ee','f8d58922d8144920a9eae4c04a9c81a6','req-656a63f2-b7f0-434b-bd04-93c95ef2c0a9','{\"status\":[\"saving\",\"active\"],\"size\":[null,1],\"virtual_size\":[null,1],\"checksum\":[null,\"9dd4e461268c8034f5c8564e155c67a6\"],\"os_hash_value\":[null,\"a4abd4448c49562d828115d13a1fccea927f52b4d5459297f8b43e42da89238bc13626e43dcb38ddb082488927ec904fb42057443983e88585179d50551afe62\"],\"stores\":[[],[\"file\"]]}',1795959741915250);
INSERT INTO `events` VALUES (10,'image.create','00000000-0000-4000-8000-000000000103','f8d58922d8144920a9eae4c04a9c81a6','1a6f4e698e3641c5bf645528ab7956ee','f8d58922d8144920a9eae4c04a9c81a6','req-84b0f057-9917-44e1-b075-142dfcbd5499','{\"status\":[null,\"queued\"]}',1795959741921523);
INSERT INTO `events` VALUES (11,'image.prepare','00000000-0000-4000-8000-000000000103','f8d58922d8144920a9eae4c04a9c81a6','1a6f4e698e3641c5bf645528ab7956ee','f8d58922d8144920a9eae4c04a9c81a6','req-9e28b2e5-d99b-45e5-a63a-c70aab286b1d','{\"status\":[\"queued\",\"saving\"]}',1795959741937523);
INSERT INTO `events` VALUES (12,'image.activate','00000000-0000-4000-8000-000000000103','f8d58922d8144920a9eae4c04a9c81a6','1a6f4e698e3641c5bf645528ab7956ee','f8d58922d8144920a9eae4c04a9c81a6','req-9e28b2e5-d99b-45e5-a63a-c70aab286b1d','{\"status\":[\"saving\",\"active\"],\"size\":[null,1],\"virtual_size\":[null,1],\"checksum\":[null,\"415290769594460e2e485922904f345d\"],\"os_hash_value\":[null,\"121b4774a759924a2929c4a412fb6e31b9aaa746466840efcc4a76d69a94149e2364e3983d646feafaa1b511785e5c9e90aedc30da6a6bead5520ecc99c6626a\"],\"stores\":[[],[\"file\"]]}',1795959741962060);
INSERT INTO `events` VALUES (13,'image.create','00000000-0000-4000-8000-000000000104','f8d58922d8144920a9eae4c04a9c81a6','1a6f4e698e3641c5bf645528ab7956ee','f8d58922d8144920a9eae4c04a9c81a6','req-c4eacb2b-3587-438d-b13a-bd6e1c660860','{\"status\":[null,\"queued\"]}',1795959741969795);
INSERT INTO `events` VALUES (14,'image.create','00000000-0000-4000-8000-000000000105','f8d58922d8144920a9eae4c04a9c81a6','1a6f4e698e3641c5bf645528ab7956ee','f8d58922d8144920a9eae4c04a9c81a6','req-6e044acb-1284-4bfd-9e91-e0833b349017','{\"status\":[null,\"queued\"]}',1795959741981125);
INSERT INTO `events` VALUES (15,'image.prepare','00000000-0000-4000-8000-000000000105','f8d58922d8144920a9eae4c04a9c81a6','1a6f4e698e3641c5bf645528ab7956ee','f8d58922d8144920a9eae4c04a9c81a6','req-2cb118ec-c0bf-4f84-b6ab-f833f11b3edd','{\"status\":[\"queued\",\"saving\"]}',1795959742012260);
INSERT INTO `events` VALUES (16,'image.activate','00000000-0000-4000-8000-000000000105','f8d58922d8144920a9eae4c04a9c81a6','1a6f4e698e3641c5bf645528ab7956ee','f8d58922d8144920a9eae4c04a9c81a6','req-2cb118ec-c0bf-4f84-b6ab-f833f11b3edd','{\"status\":[\"saving\",\"active\"],\"size\":[null,4],\"virtual_size\":[null,4],\"checksum\":[null,\"50c1f58be7f5e47e0f53d64c094783c2\"],\"os_hash_value\":[null,\"04d67ce0030840a51e3248c5ff21f444187f166694d44439e08ede7833b1adc0b1a12629e693f0cb790418f4d4701eb5726488f8ea23ed87bd7ca5459cb11f46\"],\"stores\":[[],[\"file\"]]}',1795959742038921);
INSERT INTO `events` VALUES (17,'image.member.create','00000000-0000-4000-8000-000000000100','f8d58922d8144920a9eae4c04a9c81a6','1a6f4e698e3641c5bf645528ab7956ee','f8d58922d8144920a9eae4c04a9c81a6','req-dbf6c1bd-f3fd-47c1-9adc-812cd5c73967','{\"member\":\"another project\",\"status\":\"pending\"}',1795959742091198);
INSERT INTO `events` VALUES (18,'image.update','00000000-0000-4000-8000-000000000100','f8d58922d8144920a9eae4c04a9c81a6','1a6f4e698e3641c5bf645528ab7956ee','f8d58922d8144920a9eae4c04a9c81a6','req-c1f1aafe-8d34-433b-8f01-b22ac8817dfc','{\"properties\":[\"quoted\"]}',1795959742097463);
INSERT INTO `events` VALUES (19,'image.deactivate','00000000-0000-4000-8000-000000000102','f8d58922d8144920a9eae4c04a9c81a6','1a6f4e698e3641c5bf645528ab7956ee','f8d58922d8144920a9eae4c04a9c81a6','req-876a09a8-6f00-4f1c-bfdf-ff3def4019c0','{\"status\":[\"active\",\"deactivated\"]}',1795959742102639);
INSERT INTO `events` VALUES (20,'image.delete','00000000-0000-4000-8000-000000000105','f8d58922d8144920a9eae4c04a9c81a6','1a6f4e698e3641c5bf645528ab7956ee','f8d58922d8144920a9eae4c04a9c81a6','req-5def37b8-a715-4061-aada-5eb8994135a3','{\"status\":[\"active\",\"deleted\"]}',1795959742107572);
INSERT INTO `events` VALUES (21,'image.create','00000000-0000-4000-8000-000000000106','f8d58922d8144920a9eae4c04a9c81a6','1a6f4e698e3641c5bf645528ab7956ee','f8d58922d8144920a9eae4c04a9c81a6','req-23bf4986-88d7-4682-aef6-9a0c81569649','{\"status\":[null,\"queued\"]}',1795959742114155);
INSERT INTO `events` VALUES (22,'image.prepare','00000000-0000-4000-8000-000000000106','f8d58922d8144920a9eae4c04a9c81a6','1a6f4e698e3641c5bf645528ab7956ee','f8d58922d8144920a9eae4c04a9c81a6','req-a0789f62-a30a-4408-afc9-a28532579519','{\"status\":[\"queued\",\"uploading\"]}',1795959742122229);
INSERT INTO `events` VALUES (23,'image.update','00000000-0000-4000-8000-000000000106','f8d58922d8144920a9eae4c04a9c81a6','1a6f4e698e3641c5bf645528ab7956ee','f8d58922d8144920a9eae4c04a9c81a6','req-a0789f62-a30a-4408-afc9-a28532579519','{\"size\":[null,6]}',1795959742128243);
INSERT INTO `events` VALUES (24,'image.update','00000000-0000-4000-8000-000000000106','f8d58922d8144920a9eae4c04a9c81a6','1a6f4e698e3641c5bf645528ab7956ee','f8d58922d8144920a9eae4c04a9c81a6','req-ea396ae4-12da-47ae-99d9-1318873d81d2','{\"properties\":[\"os_glance_import_task\"]}',1795959742159721);
INSERT INTO `events` VALUES (25,'image.prepare','00000000-0000-4000-8000-000000000106','f8d58922d8144920a9eae4c04a9c81a6','1a6f4e698e3641c5bf645528ab7956ee','f8d58922d8144920a9eae4c04a9c81a6','req-ea396ae4-12da-47ae-99d9-1318873d81d2','{\"status\":[\"uploading\",\"importing\"],\"properties\":[\"os_glance_failed_import\",\"os_glance_importing_to_stores\"]}',1795959742180492);
INSERT INTO `events` VALUES (26,'image.activate','00000000-0000-4000-8000-000000000106','f8d58922d8144920a9eae4c04a9c81a6','1a6f4e698e3641c5bf645528ab7956ee','f8d58922d8144920a9eae4c04a9c81a6','req-ea396ae4-12da-47ae-99d9-1318873d81d2','{\"status\":[\"importing\",\"active\"],\"virtual_size\":[null,6],\"checksum\":[null,\"d9bd6a906c1874ff572d37eab305c2fc\"],\"os_hash_value\":[null,\"c7f7a5c88fa1fe6dd26e6c0996526396d64dd1a311687de90c1d1f66388051cdd0c00ef289cd2a68448f25012b3ccb00dc23440334ae49b1ed3cee175fe91fd9\"],\"stores\":[[],[\"file\"]],\"properties\":[\"os_glance_import_task\"]}',1795959742238855);
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `identity_app_credential_roles` (
  `app_credential_id` varchar(64) NOT NULL,
  `role_id` varchar(64) NOT NULL,
  PRIMARY KEY (`app_credential_id`,`role_id`),
  KEY `role_id` (`role_id`),
  CONSTRAINT `identity_app_credential_roles_ibfk_1` FOREIGN KEY (`app_credential_id`) REFERENCES `identity_app_credentials` (`id`),
  CONSTRAINT `identity_app_credential_roles_ibfk_2` FOREIGN KEY (`role_id`) REFERENCES `identity_roles` (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `identity_app_credential_roles` VALUES ('credential','012f7ba1a14a49fdb5ff4d22dfe5f312');
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `identity_app_credentials` (
  `id` varchar(64) NOT NULL,
  `name` varchar(255) NOT NULL,
  `user_id` varchar(64) NOT NULL,
  `project_id` varchar(64) NOT NULL,
  `description` mediumtext DEFAULT NULL,
  `secret_hash` varchar(255) NOT NULL,
  `expires_at` bigint(20) DEFAULT NULL,
  `unrestricted` tinyint(1) NOT NULL,
  `access_rules` mediumtext DEFAULT NULL,
  `created_at` bigint(20) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `user_id` (`user_id`,`name`),
  KEY `identity_app_credentials_by_project` (`project_id`),
  CONSTRAINT `identity_app_credentials_ibfk_1` FOREIGN KEY (`user_id`) REFERENCES `identity_users` (`id`),
  CONSTRAINT `identity_app_credentials_ibfk_2` FOREIGN KEY (`project_id`) REFERENCES `identity_projects` (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `identity_app_credentials` VALUES ('credential','c','09c11570421e4b5fa145138107437ccc','8f3af0479ec347a58b44746bbde447ab',NULL,'x',NULL,0,NULL,1);
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `identity_assignments` (
  `user_id` varchar(64) NOT NULL,
  `scope_kind` varchar(16) NOT NULL,
  `scope_id` varchar(64) NOT NULL,
  `role_id` varchar(64) NOT NULL,
  PRIMARY KEY (`user_id`,`scope_kind`,`scope_id`,`role_id`),
  KEY `identity_assignments_by_scope` (`scope_kind`,`scope_id`),
  KEY `identity_assignments_by_role` (`role_id`),
  CONSTRAINT `identity_assignments_ibfk_1` FOREIGN KEY (`user_id`) REFERENCES `identity_users` (`id`),
  CONSTRAINT `identity_assignments_ibfk_2` FOREIGN KEY (`role_id`) REFERENCES `identity_roles` (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `identity_assignments` VALUES ('09c11570421e4b5fa145138107437ccc','project','8f3af0479ec347a58b44746bbde447ab','05c92b0e486b48c79b2401507f5f7031');
INSERT INTO `identity_assignments` VALUES ('09c11570421e4b5fa145138107437ccc','system','all','05c92b0e486b48c79b2401507f5f7031');
INSERT INTO `identity_assignments` VALUES ('1a6f4e698e3641c5bf645528ab7956ee','project','f8d58922d8144920a9eae4c04a9c81a6','012f7ba1a14a49fdb5ff4d22dfe5f312');
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `identity_domains` (
  `id` varchar(64) NOT NULL,
  `name` varchar(255) NOT NULL,
  `description` mediumtext NOT NULL,
  `enabled` tinyint(1) NOT NULL,
  `extra` mediumtext NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `name` (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `identity_domains` VALUES ('default','Default','The default domain',1,'{}');
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `identity_endpoints` (
  `id` varchar(64) NOT NULL,
  `service_id` varchar(64) NOT NULL,
  `interface` varchar(16) NOT NULL,
  `region_id` varchar(255) DEFAULT NULL,
  `url` mediumtext NOT NULL,
  `enabled` tinyint(1) NOT NULL,
  `extra` mediumtext NOT NULL,
  PRIMARY KEY (`id`),
  KEY `identity_endpoints_by_service` (`service_id`),
  CONSTRAINT `identity_endpoints_ibfk_1` FOREIGN KEY (`service_id`) REFERENCES `identity_services` (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `identity_endpoints` VALUES ('035b4d4c87a549c0a44f9f8d881d1c25','758d2bd304174baa8ac80e0f283b4582','admin','RegionOne','$(base_url)s',1,'{}');
INSERT INTO `identity_endpoints` VALUES ('593e094571904c3dbbc917a5e239e899','758d2bd304174baa8ac80e0f283b4582','public','RegionOne','$(base_url)s',1,'{}');
INSERT INTO `identity_endpoints` VALUES ('66c934311f79446b8587e3ad7f039155','34a1b951bbef4327bbb993b272356ddb','internal','RegionOne','$(base_url)s/identity/v3',1,'{}');
INSERT INTO `identity_endpoints` VALUES ('73a46e3fb89e48769cd3379553aae1c3','758d2bd304174baa8ac80e0f283b4582','internal','RegionOne','$(base_url)s',1,'{}');
INSERT INTO `identity_endpoints` VALUES ('791b048fe463445e8d1f31ba4e0bf7de','34a1b951bbef4327bbb993b272356ddb','public','RegionOne','$(base_url)s/identity/v3',1,'{}');
INSERT INTO `identity_endpoints` VALUES ('d26d138c4add4b60a8e82b6bfae4b215','34a1b951bbef4327bbb993b272356ddb','admin','RegionOne','$(base_url)s/identity/v3',1,'{}');
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `identity_implied_roles` (
  `prior_role_id` varchar(64) NOT NULL,
  `implied_role_id` varchar(64) NOT NULL,
  PRIMARY KEY (`prior_role_id`,`implied_role_id`),
  KEY `implied_role_id` (`implied_role_id`),
  CONSTRAINT `identity_implied_roles_ibfk_1` FOREIGN KEY (`prior_role_id`) REFERENCES `identity_roles` (`id`),
  CONSTRAINT `identity_implied_roles_ibfk_2` FOREIGN KEY (`implied_role_id`) REFERENCES `identity_roles` (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `identity_implied_roles` VALUES ('012f7ba1a14a49fdb5ff4d22dfe5f312','405e3d399025414f94d3ed605ee79bfc');
INSERT INTO `identity_implied_roles` VALUES ('05c92b0e486b48c79b2401507f5f7031','f24d53dfe7704672998b4e54866ea88b');
INSERT INTO `identity_implied_roles` VALUES ('f24d53dfe7704672998b4e54866ea88b','012f7ba1a14a49fdb5ff4d22dfe5f312');
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `identity_keys` (
  `generation` bigint(20) NOT NULL,
  `kid` varchar(64) NOT NULL,
  `private_key` text NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `replaced_at` bigint(20) DEFAULT NULL,
  PRIMARY KEY (`generation`),
  UNIQUE KEY `kid` (`kid`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `identity_keys` VALUES (1,'1795959741-1867a4aa','x',1795959741099656,NULL);
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `identity_limits` (
  `id` varchar(64) NOT NULL,
  `service_id` varchar(64) NOT NULL,
  `region_id` varchar(255) DEFAULT NULL,
  `resource_name` varchar(255) NOT NULL,
  `limit_value` bigint(20) NOT NULL,
  `description` mediumtext DEFAULT NULL,
  `project_id` varchar(64) DEFAULT NULL,
  `domain_id` varchar(64) DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `identity_limits_by_service` (`service_id`),
  CONSTRAINT `identity_limits_ibfk_1` FOREIGN KEY (`service_id`) REFERENCES `identity_services` (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `identity_limits` VALUES ('limit','34a1b951bbef4327bbb993b272356ddb',NULL,'image_size_total',100,NULL,NULL,NULL);
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `identity_projects` (
  `id` varchar(64) NOT NULL,
  `name` varchar(255) NOT NULL,
  `domain_id` varchar(64) NOT NULL,
  `parent_id` varchar(64) NOT NULL,
  `description` mediumtext NOT NULL,
  `enabled` tinyint(1) NOT NULL,
  `extra` mediumtext NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `domain_id` (`domain_id`,`name`),
  KEY `identity_projects_by_parent` (`parent_id`),
  CONSTRAINT `identity_projects_ibfk_1` FOREIGN KEY (`domain_id`) REFERENCES `identity_domains` (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `identity_projects` VALUES ('8f3af0479ec347a58b44746bbde447ab','admin','default','default','Administration',1,'{}');
INSERT INTO `identity_projects` VALUES ('e26c1ae57feb447fbd59caa423cc4bc6','service','default','default','Users of services',1,'{}');
INSERT INTO `identity_projects` VALUES ('f8d58922d8144920a9eae4c04a9c81a6','demo','default','default','A first project',1,'{}');
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `identity_regions` (
  `id` varchar(255) NOT NULL,
  `description` mediumtext NOT NULL,
  `parent_region_id` varchar(255) DEFAULT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `identity_regions` VALUES ('RegionOne','',NULL);
INSERT INTO `identity_regions` VALUES ('another','x',NULL);
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `identity_revocations` (
  `id` varchar(64) NOT NULL,
  `audit_id` varchar(64) DEFAULT NULL,
  `audit_chain_id` varchar(64) DEFAULT NULL,
  `user_id` varchar(64) DEFAULT NULL,
  `project_id` varchar(64) DEFAULT NULL,
  `domain_id` varchar(64) DEFAULT NULL,
  `issued_before` bigint(20) NOT NULL,
  `revoked_at` bigint(20) NOT NULL,
  PRIMARY KEY (`id`),
  KEY `identity_revocations_by_audit` (`audit_id`),
  KEY `identity_revocations_by_chain` (`audit_chain_id`),
  KEY `identity_revocations_by_user` (`user_id`),
  KEY `identity_revocations_by_project` (`project_id`),
  KEY `identity_revocations_by_domain` (`domain_id`),
  KEY `identity_revocations_by_time` (`revoked_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `identity_revocations` VALUES ('4e3bcd0946654de180e75c790b90a23d',NULL,'A7Bf1h4Pu99KJ8SqeMZNRw',NULL,NULL,NULL,1795959742318245,1795959742318245);
INSERT INTO `identity_revocations` VALUES ('d8f73fd81a0e4222a5f731822fa01b69','A7Bf1h4Pu99KJ8SqeMZNRw',NULL,NULL,NULL,NULL,1795959742318245,1795959742318245);
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `identity_roles` (
  `id` varchar(64) NOT NULL,
  `name` varchar(255) NOT NULL,
  `description` mediumtext DEFAULT NULL,
  `extra` mediumtext NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `name` (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `identity_roles` VALUES ('012f7ba1a14a49fdb5ff4d22dfe5f312','member',NULL,'{}');
INSERT INTO `identity_roles` VALUES ('05c92b0e486b48c79b2401507f5f7031','admin',NULL,'{}');
INSERT INTO `identity_roles` VALUES ('405e3d399025414f94d3ed605ee79bfc','reader',NULL,'{}');
INSERT INTO `identity_roles` VALUES ('b000ef135a304ea4b396612e7670273c','service',NULL,'{}');
INSERT INTO `identity_roles` VALUES ('f24d53dfe7704672998b4e54866ea88b','manager',NULL,'{}');
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `identity_services` (
  `id` varchar(64) NOT NULL,
  `kind` varchar(255) NOT NULL,
  `name` varchar(255) NOT NULL,
  `description` mediumtext DEFAULT NULL,
  `enabled` tinyint(1) NOT NULL,
  `extra` mediumtext NOT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `identity_services` VALUES ('34a1b951bbef4327bbb993b272356ddb','identity','keystone',NULL,1,'{}');
INSERT INTO `identity_services` VALUES ('758d2bd304174baa8ac80e0f283b4582','image','glance',NULL,1,'{}');
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `identity_users` (
  `id` varchar(64) NOT NULL,
  `name` varchar(255) NOT NULL,
  `domain_id` varchar(64) NOT NULL,
  `default_project_id` varchar(64) DEFAULT NULL,
  `enabled` tinyint(1) NOT NULL,
  `password_hash` varchar(255) DEFAULT NULL,
  `extra` mediumtext NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `domain_id` (`domain_id`,`name`),
  CONSTRAINT `identity_users_ibfk_1` FOREIGN KEY (`domain_id`) REFERENCES `identity_domains` (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `identity_users` VALUES ('09c11570421e4b5fa145138107437ccc','admin','default','8f3af0479ec347a58b44746bbde447ab',1,'x','{}');
INSERT INTO `identity_users` VALUES ('1a6f4e698e3641c5bf645528ab7956ee','demo','default','f8d58922d8144920a9eae4c04a9c81a6',1,'x','{}');
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `image_locations` (
  `id` varchar(36) NOT NULL,
  `image_id` varchar(36) NOT NULL,
  `position` int(11) NOT NULL,
  `url` mediumtext NOT NULL,
  `metadata` mediumtext NOT NULL,
  `store` varchar(255) DEFAULT NULL,
  `blob_id` varchar(36) DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `image_locations_by_image` (`image_id`,`position`),
  CONSTRAINT `image_locations_ibfk_1` FOREIGN KEY (`image_id`) REFERENCES `images` (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `image_locations` VALUES ('3a253214-65a5-43d6-bd8c-32445493a661','00000000-0000-4000-8000-000000000103',0,'file:///srv/vitrine/images/00000000-0000-4000-8000-000000000103','{}','file','6e99c7b2-29b0-4c3d-84ae-72a127f8be5b');
INSERT INTO `image_locations` VALUES ('45cde981-a83b-47fe-80b5-294fcaf8e5cf','00000000-0000-4000-8000-000000000102',0,'file:///srv/vitrine/images/00000000-0000-4000-8000-000000000102','{}','file','72f8ef89-6931-4fab-820f-aace8b886834');
INSERT INTO `image_locations` VALUES ('b7e94b87-0700-454b-a61d-c209a19ba182','00000000-0000-4000-8000-000000000101',0,'file:///srv/vitrine/images/00000000-0000-4000-8000-000000000101','{}','file','34214b38-ef45-4d3a-a338-09cedb601e97');
INSERT INTO `image_locations` VALUES ('c78f1db2-5399-4ddc-9e2c-d765c2efb45f','00000000-0000-4000-8000-000000000106',0,'file:///srv/vitrine/images/00000000-0000-4000-8000-000000000106','{}','file','c3f048ce-21ab-4c0a-8d7b-fd4ea7febfd8');
INSERT INTO `image_locations` VALUES ('c906b1ee-a2fe-418f-9da5-b540f7c53ea3','00000000-0000-4000-8000-000000000100',0,'file:///srv/vitrine/images/00000000-0000-4000-8000-000000000100','{}','file','281ab1db-d327-446e-b585-08ac66a5e925');
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `image_members` (
  `image_id` varchar(36) NOT NULL,
  `member` varchar(255) NOT NULL,
  `status` varchar(16) NOT NULL,
  `deleted` tinyint(1) NOT NULL,
  `image_created_at` bigint(20) NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `updated_at` bigint(20) NOT NULL,
  PRIMARY KEY (`image_id`,`member`),
  KEY `image_members_shared` (`member`,`status`,`deleted`,`image_created_at`,`image_id`),
  CONSTRAINT `image_members_ibfk_1` FOREIGN KEY (`image_id`) REFERENCES `images` (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `image_members` VALUES ('00000000-0000-4000-8000-000000000100','another project','pending',0,1795959741742204,1795959742091198,1795959742091198);
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `image_properties` (
  `image_id` varchar(36) NOT NULL,
  `name` varchar(255) NOT NULL,
  `value` mediumtext DEFAULT NULL,
  `position` int(11) NOT NULL,
  PRIMARY KEY (`image_id`,`name`),
  CONSTRAINT `image_properties_ibfk_1` FOREIGN KEY (`image_id`) REFERENCES `images` (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `image_properties` VALUES ('00000000-0000-4000-8000-000000000100','os_distro','Ünïcode',0);
INSERT INTO `image_properties` VALUES ('00000000-0000-4000-8000-000000000100','quoted','it\'s \"so\"',1);
INSERT INTO `image_properties` VALUES ('00000000-0000-4000-8000-000000000106','os_glance_failed_import','',1);
INSERT INTO `image_properties` VALUES ('00000000-0000-4000-8000-000000000106','os_glance_importing_to_stores','',0);
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `image_tags` (
  `image_id` varchar(36) NOT NULL,
  `value` varchar(255) NOT NULL,
  PRIMARY KEY (`image_id`,`value`),
  KEY `image_tags_by_value` (`value`,`image_id`),
  CONSTRAINT `image_tags_ibfk_1` FOREIGN KEY (`image_id`) REFERENCES `images` (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `image_tags` VALUES ('00000000-0000-4000-8000-000000000100','a');
INSERT INTO `image_tags` VALUES ('00000000-0000-4000-8000-000000000100','b\'c');
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `images` (
  `id` varchar(36) NOT NULL,
  `revision` bigint(20) NOT NULL,
  `name` varchar(255) DEFAULT NULL,
  `owner` varchar(255) DEFAULT NULL,
  `visibility` varchar(16) NOT NULL,
  `status` varchar(16) NOT NULL,
  `disk_format` varchar(64) DEFAULT NULL,
  `container_format` varchar(64) DEFAULT NULL,
  `size` bigint(20) DEFAULT NULL,
  `virtual_size` bigint(20) DEFAULT NULL,
  `checksum` varchar(64) DEFAULT NULL,
  `os_hash_algo` varchar(64) DEFAULT NULL,
  `os_hash_value` varchar(128) DEFAULT NULL,
  `min_disk` bigint(20) NOT NULL,
  `min_ram` bigint(20) NOT NULL,
  `protected` tinyint(1) NOT NULL,
  `os_hidden` tinyint(1) NOT NULL,
  `deleted` tinyint(1) NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `updated_at` bigint(20) NOT NULL,
  `deleted_at` bigint(20) DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `images_own` (`deleted`,`owner`,`created_at` DESC,`id` DESC),
  KEY `images_visible` (`deleted`,`visibility`,`created_at` DESC,`id` DESC),
  KEY `images_all` (`deleted`,`created_at` DESC,`id` DESC),
  KEY `images_by_name` (`deleted`,`name`),
  KEY `images_status` (`deleted`,`status`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `images` VALUES ('00000000-0000-4000-8000-000000000100',4,'active','f8d58922d8144920a9eae4c04a9c81a6','shared','active','raw','bare',4,4,'8d777f385d3dfec8815d20f7496026dc','sha512','77c7ce9a5d86bb386d443bb96390faa120633158699c8844c30b13ab0bf92760b7e4416aea397db91b4ac0e5dd56b8ef7e4b066162ab1fdc088319ce6defc876',0,0,0,0,0,1795959741742204,1795959742097463,NULL);
INSERT INTO `images` VALUES ('00000000-0000-4000-8000-000000000101',3,'community','f8d58922d8144920a9eae4c04a9c81a6','community','active','raw','bare',9,9,'dcbf294a2b7c4aa094e39e588dcfd38a','sha512','c05630049a7bd3b815404b8aed7f71aad804ad03104e39ecb0d7fcb753ef7d6b1426ea600a4230091cf5a8a73de7cab28ea376c8cc8880b5c7fbd1bd72dc7556',3,4,0,0,0,1795959741871192,1795959741888220,NULL);
INSERT INTO `images` VALUES ('00000000-0000-4000-8000-000000000102',4,'deactivated','f8d58922d8144920a9eae4c04a9c81a6','private','deactivated','raw','bare',1,1,'9dd4e461268c8034f5c8564e155c67a6','sha512','a4abd4448c49562d828115d13a1fccea927f52b4d5459297f8b43e42da89238bc13626e43dcb38ddb082488927ec904fb42057443983e88585179d50551afe62',0,0,0,0,0,1795959741893690,1795959742102639,NULL);
INSERT INTO `images` VALUES ('00000000-0000-4000-8000-000000000103',3,'hidden','f8d58922d8144920a9eae4c04a9c81a6','shared','active','raw','bare',1,1,'415290769594460e2e485922904f345d','sha512','121b4774a759924a2929c4a412fb6e31b9aaa746466840efcc4a76d69a94149e2364e3983d646feafaa1b511785e5c9e90aedc30da6a6bead5520ecc99c6626a',0,0,1,1,0,1795959741921523,1795959741962060,NULL);
INSERT INTO `images` VALUES ('00000000-0000-4000-8000-000000000104',1,'queued','f8d58922d8144920a9eae4c04a9c81a6','shared','queued','raw','bare',NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,1795959741969795,1795959741969795,NULL);
INSERT INTO `images` VALUES ('00000000-0000-4000-8000-000000000105',4,'deleted','f8d58922d8144920a9eae4c04a9c81a6','shared','deleted','raw','bare',4,4,'50c1f58be7f5e47e0f53d64c094783c2','sha512','04d67ce0030840a51e3248c5ff21f444187f166694d44439e08ede7833b1adc0b1a12629e693f0cb790418f4d4701eb5726488f8ea23ed87bd7ca5459cb11f46',0,0,0,0,1,1795959741981125,1795959742107572,1795959742107572);
INSERT INTO `images` VALUES ('00000000-0000-4000-8000-000000000106',6,'imported','f8d58922d8144920a9eae4c04a9c81a6','shared','active','raw','bare',6,6,'d9bd6a906c1874ff572d37eab305c2fc','sha512','c7f7a5c88fa1fe6dd26e6c0996526396d64dd1a311687de90c1d1f66388051cdd0c00ef289cd2a68448f25012b3ccb00dc23440334ae49b1ed3cee175fe91fd9',0,0,0,0,0,1795959742114155,1795959742238855,NULL);
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `jobs` (
  `id` varchar(36) NOT NULL,
  `kind` varchar(64) NOT NULL,
  `status` varchar(16) NOT NULL,
  `image_id` varchar(36) DEFAULT NULL,
  `owner` varchar(255) DEFAULT NULL,
  `user_id` varchar(255) DEFAULT NULL,
  `request_id` varchar(255) DEFAULT NULL,
  `input` mediumtext NOT NULL,
  `result` mediumtext DEFAULT NULL,
  `message` mediumtext NOT NULL,
  `state` mediumtext NOT NULL,
  `bytes_done` bigint(20) NOT NULL,
  `bytes_total` bigint(20) DEFAULT NULL,
  `attempts` int(11) NOT NULL,
  `run_after` bigint(20) NOT NULL,
  `affinity` varchar(64) DEFAULT NULL,
  `cancel_requested` tinyint(1) NOT NULL,
  `lease_node` varchar(36) DEFAULT NULL,
  `lease_until` bigint(20) NOT NULL,
  `expires_at` bigint(20) DEFAULT NULL,
  `created_at` bigint(20) NOT NULL,
  `updated_at` bigint(20) NOT NULL,
  PRIMARY KEY (`id`),
  KEY `jobs_due` (`status`,`lease_until`,`run_after`),
  KEY `jobs_by_image` (`image_id`),
  KEY `jobs_by_owner` (`owner`,`created_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `jobs` VALUES ('0df7c7f9-44cb-4cb9-87bd-6f4465bf9941','api_image_import','success','00000000-0000-4000-8000-000000000106','f8d58922d8144920a9eae4c04a9c81a6','1a6f4e698e3641c5bf645528ab7956ee','req-ea396ae4-12da-47ae-99d9-1318873d81d2','{\"image_id\":\"00000000-0000-4000-8000-000000000106\",\"import_req\":{\"method\":{\"name\":\"glance-direct\"}},\"backend\":[null]}','{\"image_id\":\"00000000-0000-4000-8000-000000000106\"}','Copied 0 of 0 MiB (100 %)','{\"roles\":[\"member\",\"reader\"],\"staged\":null,\"original\":null,\"facts\":null,\"changed\":false,\"plugins_done\":0,\"formats\":null,\"properties\":[],\"remote\":null,\"done\":true}',0,NULL,1,1795959742155203,'os_glance_staging_store@122eba22-0ba9-4128-b105-64a2449ead92',0,'3d2f39a2-4dfd-4e19-9144-f668bcd340bb',0,1796132542245113,1795959742155203,1795959742245113);
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `metadef_namespace_resource_types` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `namespace_id` bigint(20) NOT NULL,
  `resource_type_id` bigint(20) NOT NULL,
  `prefix` varchar(80) DEFAULT NULL,
  `properties_target` varchar(80) DEFAULT NULL,
  `created_at` bigint(20) NOT NULL,
  `updated_at` bigint(20) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `namespace_id` (`namespace_id`,`resource_type_id`),
  KEY `metadef_namespaces_by_type` (`resource_type_id`),
  CONSTRAINT `metadef_namespace_resource_types_ibfk_1` FOREIGN KEY (`namespace_id`) REFERENCES `metadef_namespaces` (`id`),
  CONSTRAINT `metadef_namespace_resource_types_ibfk_2` FOREIGN KEY (`resource_type_id`) REFERENCES `metadef_resource_types` (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=68 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `metadef_namespace_resource_types` VALUES (67,36,5,'x_',NULL,1795959742311789,1795959742311789);
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `metadef_namespaces` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `namespace` varchar(80) NOT NULL,
  `display_name` varchar(80) DEFAULT NULL,
  `description` mediumtext DEFAULT NULL,
  `visibility` varchar(16) NOT NULL,
  `protected` tinyint(1) NOT NULL,
  `owner` varchar(255) NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `updated_at` bigint(20) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `namespace` (`namespace`),
  KEY `metadef_namespaces_by_age` (`created_at`,`id`)
) ENGINE=InnoDB AUTO_INCREMENT=37 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `metadef_namespaces` VALUES (36,'OS::Kept',NULL,NULL,'public',0,'8f3af0479ec347a58b44746bbde447ab',1795959742311789,1795959742311789);
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `metadef_objects` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `namespace_id` bigint(20) NOT NULL,
  `name` varchar(80) NOT NULL,
  `description` mediumtext DEFAULT NULL,
  `required` mediumtext NOT NULL,
  `properties` mediumtext NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `updated_at` bigint(20) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `namespace_id` (`namespace_id`,`name`),
  CONSTRAINT `metadef_objects_ibfk_1` FOREIGN KEY (`namespace_id`) REFERENCES `metadef_namespaces` (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=35 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `metadef_objects` VALUES (34,36,'o',NULL,'[]','{}',1795959742311789,1795959742311789);
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `metadef_properties` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `namespace_id` bigint(20) NOT NULL,
  `name` varchar(80) NOT NULL,
  `json_schema` mediumtext NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `updated_at` bigint(20) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `namespace_id` (`namespace_id`,`name`),
  CONSTRAINT `metadef_properties_ibfk_1` FOREIGN KEY (`namespace_id`) REFERENCES `metadef_namespaces` (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=141 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `metadef_properties` VALUES (140,36,'p','{\"type\":\"string\",\"title\":\"P\"}',1795959742311789,1795959742311789);
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `metadef_resource_types` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `name` varchar(80) NOT NULL,
  `protected` tinyint(1) NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `updated_at` bigint(20) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `name` (`name`)
) ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `metadef_resource_types` VALUES (5,'OS::Nova::Server',1,1795959740472248,NULL);
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `metadef_seed` (
  `id` bigint(20) NOT NULL,
  `seeded_at` bigint(20) NOT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `metadef_seed` VALUES (1,1);
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `metadef_tags` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `namespace_id` bigint(20) NOT NULL,
  `name` varchar(80) NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `updated_at` bigint(20) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `namespace_id` (`namespace_id`,`name`),
  CONSTRAINT `metadef_tags_ibfk_1` FOREIGN KEY (`namespace_id`) REFERENCES `metadef_namespaces` (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=2 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `metadef_tags` VALUES (1,36,'t',1795959742311789,1795959742311789);
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `moved_in` (
  `source` varchar(255) NOT NULL,
  `state` text NOT NULL,
  PRIMARY KEY (`source`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `moved_in` VALUES ('mysql://db/glance','{}');
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `node_reference` (
  `node_reference_id` bigint(20) NOT NULL AUTO_INCREMENT,
  `folder` varchar(36) NOT NULL,
  `node_reference_url` varchar(255) DEFAULT NULL,
  PRIMARY KEY (`node_reference_id`),
  UNIQUE KEY `folder` (`folder`),
  KEY `node_reference_by_url` (`node_reference_url`)
) ENGINE=InnoDB AUTO_INCREMENT=2 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `node_reference` VALUES (1,'a folder','http://node');
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `nodes` (
  `id` varchar(36) NOT NULL,
  `host` varchar(255) NOT NULL,
  `bind` varchar(255) NOT NULL,
  `version` varchar(64) NOT NULL,
  `settings` text NOT NULL,
  `started_at` bigint(20) NOT NULL,
  `seen_at` bigint(20) NOT NULL,
  `lease_until` bigint(20) NOT NULL,
  PRIMARY KEY (`id`),
  KEY `nodes_by_lease` (`lease_until`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `purged_images` (
  `id` varchar(36) NOT NULL,
  `purged_at` bigint(20) NOT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `purged_images` VALUES ('00000000-0000-4000-8000-000000000001',1577836800000000);
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `quota_accounts` (
  `project_id` varchar(255) NOT NULL,
  PRIMARY KEY (`project_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `quota_accounts` VALUES ('a project');
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `sealing_keys` (
  `generation` bigint(20) NOT NULL,
  `secret` text NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `replaced_at` bigint(20) DEFAULT NULL,
  PRIMARY KEY (`generation`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `sealing_keys` VALUES (1,'AAAA',1577836800000000,NULL);
/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;
/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;
/*!40014 SET UNIQUE_CHECKS=@OLD_UNIQUE_CHECKS */;
/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
/*!40101 SET CHARACTER_SET_RESULTS=@OLD_CHARACTER_SET_RESULTS */;
/*!40101 SET COLLATION_CONNECTION=@OLD_COLLATION_CONNECTION */;
/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;

