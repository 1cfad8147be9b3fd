//! The arguments of `glance-manage db purge` and `db purge_images_table`, which differ by a default.

use clap::Args;

use crate::cli::db;

macro_rules! limits {
    ($(#[$doc:meta])* $name:ident, $age:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Args)]
        pub struct $name {
            /// Days since a row was deleted.
            #[arg(long = "age_in_days", default_value_t = $age, allow_negative_numbers = true)]
            age_in_days: i64,
            /// Rows of each table at most; -1 is all.
            #[arg(long = "max_rows", default_value_t = 100, allow_negative_numbers = true)]
            max_rows: i64,
        }

        impl From<$name> for db::Limits {
            fn from(limits: $name) -> Self {
                Self { age_in_days: limits.age_in_days, max_rows: limits.max_rows }
            }
        }
    };
}

limits! {
    /// Limits of `db purge`.
    Limits, 30
}

limits! {
    /// Limits of `db purge_images_table`.
    ImageLimits, 180
}
