BEGIN TRANSACTION;
CREATE TABLE __diesel_schema_migrations (
       version VARCHAR(50) PRIMARY KEY NOT NULL,
       run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
);
INSERT INTO "__diesel_schema_migrations" VALUES('20261121000001','2026-11-29 13:41:47');
INSERT INTO "__diesel_schema_migrations" VALUES('20261121000002','2026-11-29 13:41:47');
INSERT INTO "__diesel_schema_migrations" VALUES('20261121000003','2026-11-29 13:41:47');
INSERT INTO "__diesel_schema_migrations" VALUES('20261121000004','2026-11-29 13:41:47');
INSERT INTO "__diesel_schema_migrations" VALUES('20261121000010','2026-11-29 13:41:47');
CREATE TABLE blobs (
    id TEXT NOT NULL PRIMARY KEY,
    image_id TEXT NOT NULL,
    store TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    size BIGINT,
    lease_node TEXT NOT NULL,
    lease_until BIGINT NOT NULL,
    delete_after BIGINT NOT NULL,
    attempts INTEGER NOT NULL,
    last_error TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (store, name)
);
INSERT INTO "blobs" VALUES('1a64f680-551a-415b-be96-1a1abfd0ab5a','00000000-0000-4000-8000-000000000100','file','00000000-0000-4000-8000-000000000100','live',4,'1a64f680-551a-415b-be96-1a1abfd0ab5a',0,0,0,NULL,1795959708933554,1795959708974932);
INSERT INTO "blobs" VALUES('8ca9b3df-5f36-4592-aac8-4fd6919a50d9','00000000-0000-4000-8000-000000000101','file','00000000-0000-4000-8000-000000000101','live',9,'8ca9b3df-5f36-4592-aac8-4fd6919a50d9',0,0,0,NULL,1795959709073246,1795959709097790);
INSERT INTO "blobs" VALUES('1af4c52e-d389-4061-bc15-56def3b2965d','00000000-0000-4000-8000-000000000102','file','00000000-0000-4000-8000-000000000102','live',1,'1af4c52e-d389-4061-bc15-56def3b2965d',0,0,0,NULL,1795959709180844,1795959709199627);
INSERT INTO "blobs" VALUES('a91c9be0-6846-4ec2-8171-9e8468443c9f','00000000-0000-4000-8000-000000000103','file','00000000-0000-4000-8000-000000000103','live',1,'a91c9be0-6846-4ec2-8171-9e8468443c9f',0,0,0,NULL,1795959709277984,1795959709317215);
INSERT INTO "blobs" VALUES('c024aa54-0b33-44a9-904a-15c9fc40c2a6','00000000-0000-4000-8000-000000000106','file','00000000-0000-4000-8000-000000000106','live',6,'807ab256-491a-48db-b360-00e344365c12/1',0,0,0,NULL,1795959709784954,1795959709792062);
CREATE TABLE cached_images (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    image_id TEXT NOT NULL,
    node_reference_id BIGINT NOT NULL REFERENCES node_reference (node_reference_id),
    size BIGINT NOT NULL,
    hits BIGINT NOT NULL,
    checksum TEXT,
    content TEXT NOT NULL,
    last_accessed BIGINT NOT NULL,
    last_modified BIGINT NOT NULL,
    UNIQUE (image_id, node_reference_id)
);
INSERT INTO "cached_images" VALUES(1,'00000000-0000-4000-8000-000000000001',1,4,1,NULL,'x',1,1);
CREATE TABLE identity_app_credential_roles (
    app_credential_id TEXT NOT NULL REFERENCES identity_app_credentials (id),
    role_id TEXT NOT NULL REFERENCES identity_roles (id),
    PRIMARY KEY (app_credential_id, role_id)
);
INSERT INTO "identity_app_credential_roles" VALUES('credential','4b9e2df30e6a47dfb92eca8350bdf374');
CREATE TABLE identity_app_credentials (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES identity_users (id),
    project_id TEXT NOT NULL REFERENCES identity_projects (id),
    description TEXT,
    secret_hash TEXT NOT NULL,
    expires_at BIGINT,
    unrestricted BOOLEAN NOT NULL,
    access_rules TEXT,
    created_at BIGINT NOT NULL,
    UNIQUE (user_id, name)
);
INSERT INTO "identity_app_credentials" VALUES('credential','c','7bb15a63727544c5bf825d1da1b3a507','10b52bf93ff9455da8fede08241d1c25',NULL,'x',NULL,0,NULL,1);
CREATE TABLE identity_assignments (
    user_id TEXT NOT NULL REFERENCES identity_users (id),
    scope_kind TEXT NOT NULL,
    scope_id TEXT NOT NULL,
    role_id TEXT NOT NULL REFERENCES identity_roles (id),
    PRIMARY KEY (user_id, scope_kind, scope_id, role_id)
);
INSERT INTO "identity_assignments" VALUES('7bb15a63727544c5bf825d1da1b3a507','project','2ad1dab42b924d65be0ca59707846d92','4c37de60c11a474b881dfbbe65fd5344');
INSERT INTO "identity_assignments" VALUES('7bb15a63727544c5bf825d1da1b3a507','system','all','4c37de60c11a474b881dfbbe65fd5344');
INSERT INTO "identity_assignments" VALUES('984cc4a04a19488d9f71d54dfa92f487','project','c7babd738b3e4d728fbd7ceca3557ff1','869cd549dc8444ac862966621fbcac90');
CREATE TABLE identity_domains (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    extra TEXT NOT NULL
);
INSERT INTO "identity_domains" VALUES('default','Default','The default domain',1,'{}');
CREATE TABLE identity_endpoints (
    id TEXT NOT NULL PRIMARY KEY,
    service_id TEXT NOT NULL REFERENCES identity_services (id),
    interface TEXT NOT NULL,
    region_id TEXT,
    url TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    extra TEXT NOT NULL
);
INSERT INTO "identity_endpoints" VALUES('d5fa6af9147f4e1991157ab43d47a49f','e867d3e0d04b43148d77e8047b2707dd','public','RegionOne','$(base_url)s/identity/v3',1,'{}');
INSERT INTO "identity_endpoints" VALUES('9e3d0b196da14b2d8f8555066c5aed91','e867d3e0d04b43148d77e8047b2707dd','internal','RegionOne','$(base_url)s/identity/v3',1,'{}');
INSERT INTO "identity_endpoints" VALUES('efb725abc6db45bba8964070f777c228','e867d3e0d04b43148d77e8047b2707dd','admin','RegionOne','$(base_url)s/identity/v3',1,'{}');
INSERT INTO "identity_endpoints" VALUES('c30977841c044e85888442718b22260a','f000d081128d4a9aa62aa5220fdede20','public','RegionOne','$(base_url)s',1,'{}');
INSERT INTO "identity_endpoints" VALUES('142bcf794cce46c39c72057797a2e159','f000d081128d4a9aa62aa5220fdede20','internal','RegionOne','$(base_url)s',1,'{}');
INSERT INTO "identity_endpoints" VALUES('fd1d3dca468848348f68e2709ceb9b6b','f000d081128d4a9aa62aa5220fdede20','admin','RegionOne','$(base_url)s',1,'{}');
CREATE TABLE identity_implied_roles (
    prior_role_id TEXT NOT NULL REFERENCES identity_roles (id),
    implied_role_id TEXT NOT NULL REFERENCES identity_roles (id),
    PRIMARY KEY (prior_role_id, implied_role_id)
);
INSERT INTO "identity_implied_roles" VALUES('4c37de60c11a474b881dfbbe65fd5344','7988e0723d6341d084c62df6d6bc061e');
INSERT INTO "identity_implied_roles" VALUES('7988e0723d6341d084c62df6d6bc061e','869cd549dc8444ac862966621fbcac90');
INSERT INTO "identity_implied_roles" VALUES('869cd549dc8444ac862966621fbcac90','f0584ec3243f4930922e3fcd04245c77');
CREATE TABLE identity_limits (
    id TEXT NOT NULL PRIMARY KEY,
    service_id TEXT NOT NULL REFERENCES identity_services (id),
    region_id TEXT,
    resource_name TEXT NOT NULL,
    limit_value BIGINT NOT NULL,
    description TEXT,
    project_id TEXT,
    domain_id TEXT
);
INSERT INTO "identity_limits" VALUES('limit','e867d3e0d04b43148d77e8047b2707dd',NULL,'image_size_total',100,NULL,NULL,NULL);
CREATE TABLE identity_projects (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    domain_id TEXT NOT NULL REFERENCES identity_domains (id),
    parent_id TEXT NOT NULL,
    description TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    extra TEXT NOT NULL,
    UNIQUE (domain_id, name)
);
INSERT INTO "identity_projects" VALUES('2ad1dab42b924d65be0ca59707846d92','admin','default','default','Administration',1,'{}');
INSERT INTO "identity_projects" VALUES('c7babd738b3e4d728fbd7ceca3557ff1','demo','default','default','A first project',1,'{}');
INSERT INTO "identity_projects" VALUES('10b52bf93ff9455da8fede08241d1c25','service','default','default','Users of services',1,'{}');
CREATE TABLE identity_regions (
    id TEXT NOT NULL PRIMARY KEY,
    description TEXT NOT NULL,
    parent_region_id TEXT
);
INSERT INTO "identity_regions" VALUES('RegionOne','',NULL);
INSERT INTO "identity_regions" VALUES('another','x',NULL);
CREATE TABLE identity_revocations (
    id TEXT NOT NULL PRIMARY KEY,
    audit_id TEXT,
    audit_chain_id TEXT,
    user_id TEXT,
    project_id TEXT,
    domain_id TEXT,
    issued_before BIGINT NOT NULL,
    revoked_at BIGINT NOT NULL
);
INSERT INTO "identity_revocations" VALUES('634adced07244580abb5f336ca1cce3b','SgQ2u9t3NR95Lp0cbkIIpw',NULL,NULL,NULL,NULL,1795959710047340,1795959710047340);
INSERT INTO "identity_revocations" VALUES('dd6e13b153034e1fb0377a81c0349c45',NULL,'SgQ2u9t3NR95Lp0cbkIIpw',NULL,NULL,NULL,1795959710047340,1795959710047340);
CREATE TABLE identity_roles (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    description TEXT,
    extra TEXT NOT NULL
);
INSERT INTO "identity_roles" VALUES('4c37de60c11a474b881dfbbe65fd5344','admin',NULL,'{}');
INSERT INTO "identity_roles" VALUES('7988e0723d6341d084c62df6d6bc061e','manager',NULL,'{}');
INSERT INTO "identity_roles" VALUES('869cd549dc8444ac862966621fbcac90','member',NULL,'{}');
INSERT INTO "identity_roles" VALUES('f0584ec3243f4930922e3fcd04245c77','reader',NULL,'{}');
INSERT INTO "identity_roles" VALUES('4b9e2df30e6a47dfb92eca8350bdf374','service',NULL,'{}');
CREATE TABLE identity_services (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    enabled BOOLEAN NOT NULL,
    extra TEXT NOT NULL
);
INSERT INTO "identity_services" VALUES('e867d3e0d04b43148d77e8047b2707dd','identity','keystone',NULL,1,'{}');
INSERT INTO "identity_services" VALUES('f000d081128d4a9aa62aa5220fdede20','image','glance',NULL,1,'{}');
CREATE TABLE identity_users (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    domain_id TEXT NOT NULL REFERENCES identity_domains (id),
    default_project_id TEXT,
    enabled BOOLEAN NOT NULL,
    password_hash TEXT,
    extra TEXT NOT NULL,
    UNIQUE (domain_id, name)
);
INSERT INTO "identity_users" VALUES('7bb15a63727544c5bf825d1da1b3a507','admin','default','2ad1dab42b924d65be0ca59707846d92',1,'x','{}');
INSERT INTO "identity_users" VALUES('984cc4a04a19488d9f71d54dfa92f487','demo','default','c7babd738b3e4d728fbd7ceca3557ff1',1,'x','{}');
CREATE TABLE image_locations (
    id TEXT NOT NULL PRIMARY KEY,
    image_id TEXT NOT NULL REFERENCES images (id),
    position INTEGER NOT NULL,
    url TEXT NOT NULL,
    metadata TEXT NOT NULL,
    store TEXT,
    blob_id TEXT
);
INSERT INTO "image_locations" VALUES('7d93cc9d-4b59-436d-9183-619382efb065','00000000-0000-4000-8000-000000000100',0,'file:///srv/vitrine/images/00000000-0000-4000-8000-000000000100','{}','file','1a64f680-551a-415b-be96-1a1abfd0ab5a');
INSERT INTO "image_locations" VALUES('c24c10dc-1fa2-4494-bc6b-0c57eca07b17','00000000-0000-4000-8000-000000000101',0,'file:///srv/vitrine/images/00000000-0000-4000-8000-000000000101','{}','file','8ca9b3df-5f36-4592-aac8-4fd6919a50d9');
INSERT INTO "image_locations" VALUES('2b0a63b6-4489-43bf-ad8a-ec59db04ca12','00000000-0000-4000-8000-000000000102',0,'file:///srv/vitrine/images/00000000-0000-4000-8000-000000000102','{}','file','1af4c52e-d389-4061-bc15-56def3b2965d');
INSERT INTO "image_locations" VALUES('87eeb09c-9b8c-4f17-85bc-f76e5b9c137f','00000000-0000-4000-8000-000000000103',0,'file:///srv/vitrine/images/00000000-0000-4000-8000-000000000103','{}','file','a91c9be0-6846-4ec2-8171-9e8468443c9f');
INSERT INTO "image_locations" VALUES('7caab45c-7059-4af8-868a-b26242a54199','00000000-0000-4000-8000-000000000106',0,'file:///srv/vitrine/images/00000000-0000-4000-8000-000000000106','{}','file','c024aa54-0b33-44a9-904a-15c9fc40c2a6');
CREATE TABLE image_members (
    image_id TEXT NOT NULL REFERENCES images (id),
    member TEXT NOT NULL,
    status TEXT NOT NULL,
    deleted BOOLEAN NOT NULL,
    image_created_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (image_id, member)
);
INSERT INTO "image_members" VALUES('00000000-0000-4000-8000-000000000100','another project','pending',0,1795959708882978,1795959709480101,1795959709480101);
CREATE TABLE image_properties (
    image_id TEXT NOT NULL REFERENCES images (id),
    name TEXT NOT NULL,
    value TEXT,
    position INTEGER NOT NULL,
    PRIMARY KEY (image_id, name)
);
INSERT INTO "image_properties" VALUES('00000000-0000-4000-8000-000000000100','os_distro','Ünïcode',0);
INSERT INTO "image_properties" VALUES('00000000-0000-4000-8000-000000000100','quoted','it''s "so"',1);
INSERT INTO "image_properties" VALUES('00000000-0000-4000-8000-000000000106','os_glance_importing_to_stores','',0);
INSERT INTO "image_properties" VALUES('00000000-0000-4000-8000-000000000106','os_glance_failed_import','',1);
CREATE TABLE image_tags (
    image_id TEXT NOT NULL REFERENCES images (id),
    value TEXT NOT NULL,
    PRIMARY KEY (image_id, value)
);
INSERT INTO "image_tags" VALUES('00000000-0000-4000-8000-000000000100','a');
INSERT INTO "image_tags" VALUES('00000000-0000-4000-8000-000000000100','b''c');
CREATE TABLE images (
    id TEXT NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    name TEXT,
    owner TEXT,
    visibility TEXT NOT NULL,
    status TEXT NOT NULL,
    disk_format TEXT,
    container_format TEXT,
    size BIGINT,
    virtual_size BIGINT,
    checksum TEXT,
    os_hash_algo TEXT,
    os_hash_value TEXT,
    min_disk BIGINT NOT NULL,
    min_ram BIGINT NOT NULL,
    protected BOOLEAN NOT NULL,
    os_hidden BOOLEAN NOT NULL,
    deleted BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT
);
INSERT INTO "images" VALUES('00000000-0000-4000-8000-000000000100',4,'active','c7babd738b3e4d728fbd7ceca3557ff1','shared','active','raw','bare',4,4,'8d777f385d3dfec8815d20f7496026dc','sha512','77c7ce9a5d86bb386d443bb96390faa120633158699c8844c30b13ab0bf92760b7e4416aea397db91b4ac0e5dd56b8ef7e4b066162ab1fdc088319ce6defc876',0,0,0,0,0,1795959708882978,1795959709511688,NULL);
INSERT INTO "images" VALUES('00000000-0000-4000-8000-000000000101',3,'community','c7babd738b3e4d728fbd7ceca3557ff1','community','active','raw','bare',9,9,'dcbf294a2b7c4aa094e39e588dcfd38a','sha512','c05630049a7bd3b815404b8aed7f71aad804ad03104e39ecb0d7fcb753ef7d6b1426ea600a4230091cf5a8a73de7cab28ea376c8cc8880b5c7fbd1bd72dc7556',3,4,0,0,0,1795959709015991,1795959709098668,NULL);
INSERT INTO "images" VALUES('00000000-0000-4000-8000-000000000102',4,'deactivated','c7babd738b3e4d728fbd7ceca3557ff1','private','deactivated','raw','bare',1,1,'9dd4e461268c8034f5c8564e155c67a6','sha512','a4abd4448c49562d828115d13a1fccea927f52b4d5459297f8b43e42da89238bc13626e43dcb38ddb082488927ec904fb42057443983e88585179d50551afe62',0,0,0,0,0,1795959709127567,1795959709545007,NULL);
INSERT INTO "images" VALUES('00000000-0000-4000-8000-000000000103',3,'hidden','c7babd738b3e4d728fbd7ceca3557ff1','shared','active','raw','bare',1,1,'415290769594460e2e485922904f345d','sha512','121b4774a759924a2929c4a412fb6e31b9aaa746466840efcc4a76d69a94149e2364e3983d646feafaa1b511785e5c9e90aedc30da6a6bead5520ecc99c6626a',0,0,1,1,0,1795959709223340,1795959709318089,NULL);
INSERT INTO "images" VALUES('00000000-0000-4000-8000-000000000104',1,'queued','c7babd738b3e4d728fbd7ceca3557ff1','shared','queued','raw','bare',NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,1795959709328021,1795959709328021,NULL);
INSERT INTO "images" VALUES('00000000-0000-4000-8000-000000000105',4,'deleted','c7babd738b3e4d728fbd7ceca3557ff1','shared','deleted','raw','bare',4,4,'50c1f58be7f5e47e0f53d64c094783c2','sha512','04d67ce0030840a51e3248c5ff21f444187f166694d44439e08ede7833b1adc0b1a12629e693f0cb790418f4d4701eb5726488f8ea23ed87bd7ca5459cb11f46',0,0,0,0,1,1795959709354971,1795959709566810,1795959709566810);
INSERT INTO "images" VALUES('00000000-0000-4000-8000-000000000106',6,'imported','c7babd738b3e4d728fbd7ceca3557ff1','shared','active','raw','bare',6,6,'d9bd6a906c1874ff572d37eab305c2fc','sha512','c7f7a5c88fa1fe6dd26e6c0996526396d64dd1a311687de90c1d1f66388051cdd0c00ef289cd2a68448f25012b3ccb00dc23440334ae49b1ed3cee175fe91fd9',0,0,0,0,0,1795959709614311,1795959709793136,NULL);
CREATE TABLE jobs (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    image_id TEXT,
    owner TEXT,
    user_id TEXT,
    request_id TEXT,
    input TEXT NOT NULL,
    result TEXT,
    message TEXT NOT NULL,
    state TEXT NOT NULL,
    bytes_done BIGINT NOT NULL,
    bytes_total BIGINT,
    attempts INTEGER NOT NULL,
    run_after BIGINT NOT NULL,
    affinity TEXT,
    cancel_requested BOOLEAN NOT NULL,
    lease_node TEXT,
    lease_until BIGINT NOT NULL,
    expires_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
INSERT INTO "jobs" VALUES('807ab256-491a-48db-b360-00e344365c12','api_image_import','success','00000000-0000-4000-8000-000000000106','c7babd738b3e4d728fbd7ceca3557ff1','984cc4a04a19488d9f71d54dfa92f487','req-141b6fc0-7c4e-4c69-9f00-ec41b1f056e8','{"image_id":"00000000-0000-4000-8000-000000000106","import_req":{"method":{"name":"glance-direct"}},"backend":[null]}','{"image_id":"00000000-0000-4000-8000-000000000106"}','Copied 0 of 0 MiB (100 %)','{"roles":["member","reader"],"staged":null,"original":null,"facts":null,"changed":false,"plugins_done":0,"formats":null,"properties":[],"remote":null,"done":true}',0,NULL,1,1795959709723186,'os_glance_staging_store@c492ed6f-819d-49f6-a523-7853e94e62e9',0,'fd5302be-48ad-4d92-896a-d228aad7a1a3',0,1796132509805439,1795959709723186,1795959709805439);
CREATE TABLE metadef_namespace_resource_types (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    namespace_id BIGINT NOT NULL REFERENCES metadef_namespaces (id),
    resource_type_id BIGINT NOT NULL REFERENCES metadef_resource_types (id),
    prefix TEXT,
    properties_target TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT,
    UNIQUE (namespace_id, resource_type_id)
);
INSERT INTO "metadef_namespace_resource_types" VALUES(67,36,5,'x_',NULL,1795959709984151,1795959709984151);
CREATE TABLE metadef_namespaces (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    namespace TEXT NOT NULL UNIQUE,
    display_name TEXT,
    description TEXT,
    visibility TEXT NOT NULL,
    protected BOOLEAN NOT NULL,
    owner TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT
);
INSERT INTO "metadef_namespaces" VALUES(36,'OS::Kept',NULL,NULL,'public',0,'2ad1dab42b924d65be0ca59707846d92',1795959709984151,1795959709984151);
CREATE TABLE metadef_objects (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    namespace_id BIGINT NOT NULL REFERENCES metadef_namespaces (id),
    name TEXT NOT NULL,
    description TEXT,
    required TEXT NOT NULL,
    properties TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT,
    UNIQUE (namespace_id, name)
);
INSERT INTO "metadef_objects" VALUES(34,36,'o',NULL,'[]','{}',1795959709984151,1795959709984151);
CREATE TABLE metadef_properties (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    namespace_id BIGINT NOT NULL REFERENCES metadef_namespaces (id),
    name TEXT NOT NULL,
    json_schema TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT,
    UNIQUE (namespace_id, name)
);
INSERT INTO "metadef_properties" VALUES(140,36,'p','{"type":"string","title":"P"}',1795959709984151,1795959709984151);
CREATE TABLE metadef_resource_types (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    protected BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT
);
INSERT INTO "metadef_resource_types" VALUES(5,'OS::Nova::Server',1,1795959707525653,NULL);
CREATE TABLE metadef_seed (
    id BIGINT NOT NULL PRIMARY KEY,
    seeded_at BIGINT NOT NULL
);
INSERT INTO "metadef_seed" VALUES(1,1795959707525653);
CREATE TABLE metadef_tags (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    namespace_id BIGINT NOT NULL REFERENCES metadef_namespaces (id),
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT,
    UNIQUE (namespace_id, name)
);
INSERT INTO "metadef_tags" VALUES(1,36,'t',1795959709984151,1795959709984151);
CREATE TABLE node_reference (
    node_reference_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    folder TEXT NOT NULL UNIQUE,
    node_reference_url TEXT
);
INSERT INTO "node_reference" VALUES(1,'a folder','http://node');
CREATE INDEX images_own ON images (owner, created_at DESC, id DESC) WHERE NOT deleted;
CREATE INDEX images_visible ON images (visibility, created_at DESC, id DESC) WHERE NOT deleted;
CREATE INDEX images_all ON images (created_at DESC, id DESC) WHERE NOT deleted;
CREATE INDEX images_by_name ON images (name) WHERE NOT deleted;
CREATE INDEX images_status ON images (status) WHERE NOT deleted AND status <> 'active';
CREATE INDEX image_tags_by_value ON image_tags (value, image_id);
CREATE INDEX image_members_shared ON image_members (member, status, deleted, image_created_at, image_id);
CREATE INDEX blobs_by_image ON blobs (image_id);
CREATE INDEX blobs_by_state ON blobs (state, lease_until);
CREATE INDEX image_locations_by_image ON image_locations (image_id, position);
CREATE INDEX identity_projects_by_parent ON identity_projects (parent_id);
CREATE INDEX identity_assignments_by_scope ON identity_assignments (scope_kind, scope_id);
CREATE INDEX identity_assignments_by_role ON identity_assignments (role_id);
CREATE INDEX identity_endpoints_by_service ON identity_endpoints (service_id);
CREATE INDEX identity_app_credentials_by_project ON identity_app_credentials (project_id);
CREATE INDEX identity_revocations_by_audit ON identity_revocations (audit_id);
CREATE INDEX identity_revocations_by_chain ON identity_revocations (audit_chain_id);
CREATE INDEX identity_revocations_by_user ON identity_revocations (user_id);
CREATE INDEX identity_revocations_by_project ON identity_revocations (project_id);
CREATE INDEX identity_revocations_by_domain ON identity_revocations (domain_id);
CREATE INDEX identity_revocations_by_time ON identity_revocations (revoked_at);
CREATE INDEX identity_limits_by_service ON identity_limits (service_id);
CREATE INDEX metadef_namespaces_by_age ON metadef_namespaces (created_at, id);
CREATE INDEX metadef_namespaces_by_type ON metadef_namespace_resource_types (resource_type_id);
CREATE INDEX jobs_due ON jobs (status, lease_until, run_after);
CREATE INDEX jobs_by_image ON jobs (image_id);
CREATE INDEX jobs_by_owner ON jobs (owner, created_at);
CREATE INDEX node_reference_by_url ON node_reference (node_reference_url);
CREATE INDEX cached_images_by_node ON cached_images (node_reference_id, id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('metadef_namespaces',36);
INSERT INTO "sqlite_sequence" VALUES('metadef_resource_types',6);
INSERT INTO "sqlite_sequence" VALUES('metadef_namespace_resource_types',67);
INSERT INTO "sqlite_sequence" VALUES('metadef_objects',34);
INSERT INTO "sqlite_sequence" VALUES('metadef_properties',140);
INSERT INTO "sqlite_sequence" VALUES('metadef_tags',1);
INSERT INTO "sqlite_sequence" VALUES('node_reference',1);
INSERT INTO "sqlite_sequence" VALUES('cached_images',1);
COMMIT;
