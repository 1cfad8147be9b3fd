//! The tables of metadata definitions for diesel. `migrations/` is authoritative; times are microseconds since 1970
//! UTC.
#![allow(missing_docs)]

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
