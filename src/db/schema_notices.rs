//! The tables of notices, for diesel.

#![allow(missing_docs)]
diesel::table! {
    /// What others are told.
    notices (sequence) {
        sequence -> BigInt,
        reader -> Text,
        kind -> Text,
        priority -> Text,
        subject -> Text,
        body -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    /// Which node tells whom.
    notice_readers (name) {
        name -> Text,
        holder -> Nullable<Text>,
        lease_until -> BigInt,
    }
}
