//! The arguments of `glance-manage db purge` and `db purge_images_table`, which differ by a default.

use clap::Args;

use crate::{cli::db, server::StartError};

macro_rules! limits {
    ($(#[$doc:meta])* $name:ident, $age:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Args)]
        pub struct $name {
            /// Days since a row was deleted.
            #[arg(long = "age_in_days", allow_negative_numbers = true)]
            age_in_days: Option<i64>,
            /// Rows of each table at most; -1 is all.
            #[arg(long = "max_rows", allow_negative_numbers = true)]
            max_rows: Option<i64>,
            /// The same two without their names, in this order, as RHOSO's job has them.
            #[arg(hide = true, allow_negative_numbers = true, num_args = 0..=2)]
            words: Vec<String>,
        }

        impl TryFrom<$name> for db::Limits {
            type Error = StartError;

            fn try_from(limits: $name) -> Result<Self, StartError> {
                let word = |at: usize| limits.words.get(at).map(String::as_str);
                Ok(Self {
                    age_in_days: one("age_in_days", limits.age_in_days, word(0))?.unwrap_or($age),
                    max_rows: one("max_rows", limits.max_rows, word(1))?.unwrap_or(100),
                })
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

/// A number that is given by its name or by its place.
fn one(name: &str, named: Option<i64>, placed: Option<&str>) -> Result<Option<i64>, StartError> {
    match (named, placed) {
        (Some(_), Some(_)) => Err(StartError(format!("{name} is given twice"))),
        (named, None) => Ok(named),
        (None, Some(text)) => {
            let number =
                text.trim().parse().map_err(|_| StartError(format!("{name}: {text} is no number")))?;
            Ok(Some(number))
        }
    }
}
