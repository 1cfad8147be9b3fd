//! The tables as diesel sees them. The truth is in `migrations/`; times are microseconds since 1970 UTC.
#![allow(missing_docs)]

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
        lease_node -> Text,
        lease_until -> BigInt,
        delete_after -> BigInt,
        attempts -> Integer,
        last_error -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
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

diesel::allow_tables_to_appear_in_same_query!(
    images,
    image_properties,
    image_tags,
    image_members,
    blobs,
    image_locations
);

diesel::table! {
    metadef_namespaces (id) {
        id -> BigInt,
        namespace -> Text,
        display_name -> Nullable<Text>,
        description -> Nullable<Text>,
        visibility -> Text,
        protected -> Bool,
        owner -> Text,
        created_at -> BigInt,
        updated_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    metadef_resource_types (id) {
        id -> BigInt,
        name -> Text,
        protected -> Bool,
        created_at -> BigInt,
        updated_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    metadef_namespace_resource_types (id) {
        id -> BigInt,
        namespace_id -> BigInt,
        resource_type_id -> BigInt,
        prefix -> Nullable<Text>,
        properties_target -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    metadef_objects (id) {
        id -> BigInt,
        namespace_id -> BigInt,
        name -> Text,
        description -> Nullable<Text>,
        required -> Text,
        properties -> Text,
        created_at -> BigInt,
        updated_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    metadef_properties (id) {
        id -> BigInt,
        namespace_id -> BigInt,
        name -> Text,
        json_schema -> Text,
        created_at -> BigInt,
        updated_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    metadef_tags (id) {
        id -> BigInt,
        namespace_id -> BigInt,
        name -> Text,
        created_at -> BigInt,
        updated_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    metadef_seed (id) {
        id -> BigInt,
        seeded_at -> BigInt,
    }
}

diesel::joinable!(metadef_namespace_resource_types -> metadef_resource_types (resource_type_id));
diesel::allow_tables_to_appear_in_same_query!(metadef_namespace_resource_types, metadef_resource_types);
