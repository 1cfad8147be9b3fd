//! The tables about the contents of stores.

use super::jobs;

diesel::table! {
    /// What is known of a store.
    store_states (store) {
        store -> Text,
        mark -> Text,
        marked -> Bool,
        job_id -> Nullable<Text>,
        checked_at -> Nullable<BigInt>,
        summary -> Nullable<Text>,
    }
}

diesel::table! {
    /// What a job has found in a store.
    store_findings (job_id, number) {
        job_id -> Text,
        number -> BigInt,
        state -> Text,
        name -> Text,
        unfinished -> Bool,
        bytes -> Nullable<BigInt>,
        modified -> Nullable<BigInt>,
        image_id -> Nullable<Text>,
        reason -> Text,
        outcome -> Nullable<Text>,
    }
}

diesel::table! {
    /// Objects that are in quarantine.
    quarantine (id) {
        id -> Text,
        store -> Text,
        name -> Text,
        unfinished -> Bool,
        place -> Text,
        bytes -> Nullable<BigInt>,
        modified -> Nullable<BigInt>,
        reason -> Text,
        state -> Text,
        job_id -> Nullable<Text>,
        user_id -> Nullable<Text>,
        request_id -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(store_findings, jobs);

diesel::table! {
    /// Stores that administrators added.
    storages (id) {
        id -> Text,
        kind -> Text,
        description -> Nullable<Text>,
        weight -> BigInt,
        read_only -> Bool,
        bindings -> Text,
        options -> Text,
        sealed -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    /// Rules of placement.
    placement_rules (id) {
        id -> Text,
        position -> BigInt,
        description -> Nullable<Text>,
        conditions -> Text,
        store -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}
