//! Quotas on numbers and bytes (`glance/quota/__init__.py`).

use crate::{
    db::{self, Conn, Db, DbResult},
    model::error::{Error, Result},
};

/// Requires that `count` of `what` fit a quota; `None` is no limit.
///
/// # Errors
/// [`Error::TooLarge`]
pub fn check(what: &str, quota: Option<u64>, count: usize) -> Result<()> {
    let Some(quota) = quota.filter(|quota| count as u64 > *quota) else { return Ok(()) };
    Err(Error::TooLarge(format!(
        "The limit has been exceeded on the number of allowed image {what}. Attempted: {count}, Maximum: {quota}"
    )))
}

/// The storage allowance of a project, for checks in transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    project: String,
    bytes: u64,
}

impl Allowance {
    /// The allowance of a project under `user_storage_quota`; `None` is no limit.
    pub fn of(quota: Option<u64>, project: Option<&str>) -> Option<Self> {
        Some(Self { project: project?.to_owned(), bytes: quota? })
    }

    /// Whether what an owner keeps counts here.
    pub fn covers(&self, owner: Option<&str>) -> bool {
        owner == Some(&self.project)
    }

    /// The refusal of what goes beyond it.
    pub fn refusal(&self) -> Error {
        over_storage(self.bytes)
    }

    /// Bytes that the project stores beyond what it may, with what this transaction has added so far and with `more` bytes
    /// that are not counted as its own. Nobody else adds anything until the transaction ends, so it should be the last
    /// question that it has.
    ///
    /// # Errors
    /// Only the database's own.
    pub fn excess(&self, conn: &mut Conn, more: u64) -> DbResult<u64> {
        db::quota::lock(conn, &self.project)?;
        let used = db::quota::stored(conn, &self.project)?;
        Ok(used.saturating_add(more).saturating_sub(self.bytes))
    }

    /// Requires that the project stores no more than it may, counted in the same way.
    ///
    /// # Errors
    /// [`Error::TooLarge`]
    pub fn check(&self, conn: &mut Conn, more: u64) -> DbResult<()> {
        if self.excess(conn, more)? > 0 { Err(self.refusal().into()) } else { Ok(()) }
    }
}

/// Requires, before anything is changed, that a project may store `bytes` instead of `instead_of`. Concurrent additions
/// are not seen here; `image/change.rs` checks again.
///
/// # Errors
/// [`Error::TooLarge`]
pub async fn check_storage(db: &Db, allowance: Option<Allowance>, instead_of: u64, bytes: u64) -> Result<()> {
    let Some(allowance) = allowance else { return Ok(()) };
    let project = allowance.project.clone();
    let used = db.read("image.storage_usage", move |conn| db::quota::stored(conn, &project)).await?;
    let after = used.saturating_sub(instead_of).saturating_add(bytes);
    if after > allowance.bytes { Err(allowance.refusal()) } else { Ok(()) }
}

/// The refusal of bytes over the storage quota.
fn over_storage(quota: u64) -> Error {
    Error::TooLarge(format!("The storage quota of this project, {quota} bytes, would be exceeded."))
}
