//! The tables for diesel. `migrations/` is authoritative; times are microseconds since 1970 UTC.
#![allow(missing_docs)]

pub use super::schema_of_lives::*;

diesel::table! {
    images (id) {
        id -> Text,
        revision -> BigInt,
        name -> Nullable<Text>,
        owner -> Nullable<Text>,
        visibility -> Text,
        status -> Text,
        disk_format -> Nullable<Text>,
        container_format -> Nullable<Text>,
        size -> Nullable<BigInt>,
        virtual_size -> Nullable<BigInt>,
        checksum -> Nullable<Text>,
        os_hash_algo -> Nullable<Text>,
        os_hash_value -> Nullable<Text>,
        min_disk -> BigInt,
        min_ram -> BigInt,
        protected -> Bool,
        os_hidden -> Bool,
        deleted -> Bool,
        created_at -> BigInt,
        updated_at -> BigInt,
        deleted_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    image_properties (image_id, name) {
        image_id -> Text,
        name -> Text,
        value -> Nullable<Text>,
        position -> Integer,
    }
}

diesel::table! {
    image_tags (image_id, value) {
        image_id -> Text,
        value -> Text,
    }
}

diesel::table! {
    image_members (image_id, member) {
        image_id -> Text,
        member -> Text,
        status -> Text,
        deleted -> Bool,
        image_created_at -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    blobs (id) {
        id -> Text,
        image_id -> Text,
        store -> Text,
        name -> Text,
        state -> Text,
        size -> Nullable<BigInt>,
        holder -> Text,
        lease_until -> BigInt,
        delete_after -> BigInt,
        attempts -> Integer,
        last_error -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
        reserved -> BigInt,
    }
}

diesel::table! {
    image_locations (id) {
        id -> Text,
        image_id -> Text,
        position -> Integer,
        url -> Text,
        metadata -> Text,
        store -> Nullable<Text>,
        blob_id -> Nullable<Text>,
    }
}

diesel::table! {
    jobs (id) {
        id -> Text,
        kind -> Text,
        status -> Text,
        image_id -> Nullable<Text>,
        owner -> Nullable<Text>,
        user_id -> Nullable<Text>,
        request_id -> Nullable<Text>,
        traceparent -> Nullable<Text>,
        input -> Text,
        result -> Nullable<Text>,
        message -> Text,
        state -> Text,
        bytes_done -> BigInt,
        bytes_total -> Nullable<BigInt>,
        bytes_rate -> Nullable<BigInt>,
        attempts -> Integer,
        run_after -> BigInt,
        affinity -> Nullable<Text>,
        cancel_requested -> Bool,
        lease_node -> Nullable<Text>,
        lease_until -> BigInt,
        expires_at -> Nullable<BigInt>,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    /// Ids of images whose rows were dropped.
    purged_images (id) {
        id -> Text,
        purged_at -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    images,
    image_properties,
    image_tags,
    image_members,
    blobs,
    image_locations,
    jobs
);

diesel::table! {
    identity_domains (id) {
        id -> Text,
        name -> Text,
        description -> Text,
        enabled -> Bool,
        extra -> Text,
    }
}

diesel::table! {
    identity_projects (id) {
        id -> Text,
        name -> Text,
        domain_id -> Text,
        parent_id -> Text,
        description -> Text,
        enabled -> Bool,
        extra -> Text,
    }
}

diesel::table! {
    identity_users (id) {
        id -> Text,
        name -> Text,
        domain_id -> Text,
        default_project_id -> Nullable<Text>,
        enabled -> Bool,
        password_hash -> Nullable<Text>,
        extra -> Text,
    }
}

diesel::table! {
    identity_roles (id) {
        id -> Text,
        name -> Text,
        description -> Nullable<Text>,
        extra -> Text,
    }
}

diesel::table! {
    identity_implied_roles (prior_role_id, implied_role_id) {
        prior_role_id -> Text,
        implied_role_id -> Text,
    }
}

diesel::table! {
    identity_assignments (user_id, scope_kind, scope_id, role_id) {
        user_id -> Text,
        scope_kind -> Text,
        scope_id -> Text,
        role_id -> Text,
    }
}

diesel::table! {
    identity_services (id) {
        id -> Text,
        kind -> Text,
        name -> Text,
        description -> Nullable<Text>,
        enabled -> Bool,
        extra -> Text,
    }
}

diesel::table! {
    identity_regions (id) {
        id -> Text,
        description -> Text,
        parent_region_id -> Nullable<Text>,
    }
}

diesel::table! {
    identity_endpoints (id) {
        id -> Text,
        service_id -> Text,
        interface -> Text,
        region_id -> Nullable<Text>,
        url -> Text,
        enabled -> Bool,
        extra -> Text,
    }
}

diesel::table! {
    identity_app_credentials (id) {
        id -> Text,
        name -> Text,
        user_id -> Text,
        project_id -> Text,
        description -> Nullable<Text>,
        secret_hash -> Text,
        expires_at -> Nullable<BigInt>,
        unrestricted -> Bool,
        access_rules -> Nullable<Text>,
        created_at -> BigInt,
    }
}

diesel::table! {
    identity_app_credential_roles (app_credential_id, role_id) {
        app_credential_id -> Text,
        role_id -> Text,
    }
}

diesel::table! {
    identity_revocations (id) {
        id -> Text,
        audit_id -> Nullable<Text>,
        audit_chain_id -> Nullable<Text>,
        user_id -> Nullable<Text>,
        project_id -> Nullable<Text>,
        domain_id -> Nullable<Text>,
        issued_before -> BigInt,
        revoked_at -> BigInt,
    }
}

diesel::table! {
    identity_limits (id) {
        id -> Text,
        service_id -> Text,
        region_id -> Nullable<Text>,
        resource_name -> Text,
        limit_value -> BigInt,
        description -> Nullable<Text>,
        project_id -> Nullable<Text>,
        domain_id -> Nullable<Text>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    identity_roles,
    identity_assignments,
    identity_app_credential_roles,
    identity_app_credentials
);

diesel::table! {
    node_reference (node_reference_id) {
        node_reference_id -> BigInt,
        folder -> Text,
        node_reference_url -> Nullable<Text>,
    }
}

diesel::table! {
    cached_images (id) {
        id -> BigInt,
        image_id -> Text,
        node_reference_id -> BigInt,
        size -> BigInt,
        hits -> BigInt,
        checksum -> Nullable<Text>,
        content -> Text,
        last_accessed -> BigInt,
        last_modified -> BigInt,
    }
}

diesel::joinable!(cached_images -> node_reference (node_reference_id));
diesel::allow_tables_to_appear_in_same_query!(cached_images, node_reference);

diesel::table! {
    /// The outbox of changes.
    events (sequence) {
        sequence -> BigInt,
        kind -> Text,
        image_id -> Text,
        project_id -> Nullable<Text>,
        user_id -> Nullable<Text>,
        request_project_id -> Nullable<Text>,
        request_id -> Text,
        changes -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    /// Who uses an image.
    consumers (image_id, kind, id) {
        image_id -> Text,
        kind -> Text,
        id -> Text,
        project_id -> Nullable<Text>,
        region -> Nullable<Text>,
        scope -> Nullable<Text>,
        since -> BigInt,
        last_seen -> BigInt,
    }
}

diesel::table! {
    /// Servers that were removed from the consumers.
    gone_servers (id) {
        id -> Text,
        gone_at -> BigInt,
    }
}
diesel::allow_tables_to_appear_in_same_query!(consumers, images);
diesel::allow_tables_to_appear_in_same_query!(consumers, image_properties);
diesel::allow_tables_to_appear_in_same_query!(identity_limits, identity_services);

diesel::table! {
    identity_keys (generation) {
        generation -> BigInt,
        kid -> Text,
        private_key -> Text,
        created_at -> BigInt,
        replaced_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    nodes (id) {
        id -> Text,
        host -> Text,
        bind -> Text,
        version -> Text,
        settings -> Text,
        started_at -> BigInt,
        seen_at -> BigInt,
        lease_until -> BigInt,
        draining_since -> Nullable<BigInt>,
    }
}

diesel::table! {
    staging_places (id) {
        id -> Text,
        seen_at -> BigInt,
    }
}

diesel::table! {
    sealing_keys (generation) {
        generation -> BigInt,
        secret -> Text,
        created_at -> BigInt,
        replaced_at -> Nullable<BigInt>,
    }
}

pub mod stores;
