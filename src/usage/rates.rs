//! The rates, by the time from which they apply.

use serde_json::Value;

use super::Usage;
use crate::{
    access,
    db::usage_report::{self, RatesRow},
    model::{
        caller::Caller,
        error::{Error, Result},
        time::Timestamp,
        usage::{
            meter::{Rounding, hour_of},
            rates::{Book, Rates},
        },
    },
};

/// Versions that are kept.
const VERSIONS_MAX: usize = 1000;

/// One version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// From when on it holds.
    pub valid_from: Timestamp,
    /// The rates.
    pub rates: Rates,
    /// The user who set it.
    pub user_id: Option<String>,
    /// When.
    pub created_at: Timestamp,
}

/// All of them, in the order in which they hold.
pub(super) struct Versions(Vec<Version>);

impl Versions {
    /// By time.
    pub(super) fn book(&self) -> Book {
        Book(self.0.iter().map(|version| (version.valid_from.0, version.rates.clone())).collect())
    }

    /// The currency that all have.
    pub(super) fn currency(&self) -> Option<String> {
        self.0.last().map(|version| version.rates.currency.clone())
    }
}

fn version(row: RatesRow) -> Result<Version> {
    let value: Value = serde_json::from_str(&row.document).map_err(|e| Error::internal("rates", e))?;
    let object = value.as_object().ok_or_else(|| Error::internal("rates", "no object"))?;
    Ok(Version {
        valid_from: Timestamp(row.valid_from),
        rates: Rates::read(object)?,
        user_id: row.user_id,
        created_at: Timestamp(row.created_at),
    })
}

impl Usage {
    /// Every version of the rates.
    pub(super) async fn versions(&self) -> Result<Versions> {
        let rows = self.db.read("usage.rates", usage_report::rates).await?;
        Ok(Versions(rows.into_iter().map(version).collect::<Result<_>>()?))
    }

    /// Every version of the rates, in the order in which they hold.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without the right to see all usage.
    pub async fn rates(&self, caller: &Caller) -> Result<Vec<Version>> {
        self.all(caller).await?;
        self.all_rates().await
    }

    /// The same for an operator, without a policy check.
    ///
    /// # Errors
    /// The database's.
    pub async fn all_rates(&self) -> Result<Vec<Version>> {
        Ok(self.versions().await?.0)
    }

    /// Sets the rates from a time on, by default from the hour in which we are.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without the right, [`Error::Invalid`] for a time that is no whole hour where hours are counted,
    /// [`Error::Conflict`] for another currency, or where there are too many versions.
    pub async fn set_rates(
        &self,
        caller: &Caller,
        rates: Rates,
        valid_from: Option<Timestamp>,
    ) -> Result<Version> {
        access::mutating(caller)?;
        self.all(caller).await?;
        self.enter_rates(rates, valid_from, caller.user_id.clone()).await
    }

    /// The same for an operator, without a policy check.
    ///
    /// # Errors
    /// As [`Usage::set_rates`].
    pub async fn enter_rates(
        &self,
        rates: Rates,
        valid_from: Option<Timestamp>,
        user_id: Option<String>,
    ) -> Result<Version> {
        let now = self.db.clock.now();
        let valid_from = valid_from.unwrap_or_else(|| hour_of(now));
        if self.settings.rules.rounding == Rounding::ClockHour && hour_of(valid_from) != valid_from {
            return Err(Error::invalid("valid_from must be a whole hour in UTC."));
        }
        let version = Version { valid_from, rates, user_id, created_at: now };
        let written = version.clone();
        let write = move |conn: &mut _| {
            let known = usage_report::rates(conn)?;
            if known.len() >= VERSIONS_MAX {
                let text = format!("There are {VERSIONS_MAX} versions of the rates already.");
                return Err(Error::conflict(text).into());
            }
            if let Some(row) = known.into_iter().next() {
                let currency = self::version(row)?.rates.currency;
                if currency != written.rates.currency {
                    return Err(Error::conflict(format!("The currency is {currency}.")).into());
                }
            }
            let document = Value::from(written.rates.document()).to_string();
            usage_report::add_rates(conn, valid_from, &document, written.user_id.as_deref(), now)
        };
        self.db.write("usage.add_rates", write).await?;
        Ok(version)
    }
}
