//! The tables of the usage ledger, for diesel; see `schema.rs`.
#![allow(missing_docs)]

use super::schema::images;

diesel::table! {
    /// What is charged for.
    usage_intervals (id) {
        id -> BigInt,
        image_id -> Text,
        consumer -> Text,
        project_id -> Nullable<Text>,
        bytes -> BigInt,
        virtual_bytes -> BigInt,
        stores -> Text,
        image_name -> Nullable<Text>,
        media_group -> Nullable<Text>,
        tags -> Text,
        sku -> Nullable<Text>,
        is_public -> Bool,
        from_ts -> BigInt,
        to_ts -> Nullable<BigInt>,
        opened_by -> Text,
        closed_by -> Nullable<Text>,
        pending -> BigInt,
    }
}

diesel::table! {
    /// Openings and closings, numbered.
    usage_entries (seq) {
        seq -> BigInt,
        interval_id -> BigInt,
        closes -> Bool,
    }
}

diesel::table! {
    /// Prices by time.
    usage_rates (id) {
        id -> BigInt,
        valid_from -> BigInt,
        document -> Text,
        user_id -> Nullable<Text>,
        created_at -> BigInt,
    }
}
diesel::allow_tables_to_appear_in_same_query!(usage_entries, usage_intervals);
diesel::allow_tables_to_appear_in_same_query!(usage_intervals, images);
