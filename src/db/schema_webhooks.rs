//! The tables of webhooks and their positions in the outbox, for diesel.

#![allow(missing_docs)]
diesel::table! {
    /// How far readers of the outbox are.
    event_readers (name) {
        name -> Text,
        position -> Text,
    }
}

diesel::table! {
    /// Addresses that are told of events.
    webhooks (id) {
        id -> Text,
        project_id -> Nullable<Text>,
        owner -> Text,
        url -> Text,
        events -> Text,
        secret -> Text,
        since -> BigInt,
        failing_since -> Nullable<BigInt>,
        attempts -> BigInt,
        run_after -> BigInt,
        last_error -> Nullable<Text>,
        delivered -> BigInt,
        given_up -> BigInt,
        holder -> Nullable<Text>,
        lease_until -> BigInt,
        created_at -> BigInt,
    }
}

diesel::table! {
    /// Events that wait to be sent.
    webhook_deliveries (webhook_id, sequence) {
        webhook_id -> Text,
        sequence -> BigInt,
        kind -> Text,
        body -> Text,
    }
}
diesel::allow_tables_to_appear_in_same_query!(webhooks, webhook_deliveries);
