//! Quotas: how many, and how many bytes (`glance/quota/__init__.py`).

use crate::{
    db::{self, Db},
    model::error::{Error, Result},
};

/// Whether `count` exceeds a quota, of which a negative one is no limit.
pub fn exceeds(quota: i64, count: usize) -> bool {
    u64::try_from(quota).is_ok_and(|quota| count as u64 > quota)
}

/// Requires that `count` of `what` fit a quota.
///
/// # Errors
/// [`Error::TooLarge`]
pub fn check(what: &str, quota: i64, count: usize) -> Result<()> {
    if !exceeds(quota, count) {
        return Ok(());
    }
    Err(Error::TooLarge(format!(
        "The limit has been exceeded on the number of allowed image {what}. Attempted: {count}, Maximum: {quota}"
    )))
}

/// Bytes that a project may still store under `quota`; `None` is no limit.
///
/// # Errors
/// [`Error::TooLarge`] when the declared size, in bytes, does not fit, or there is no room at all.
pub async fn storage_room(
    db: &Db,
    quota: Option<u64>,
    project: Option<String>,
    declared: Option<u64>,
) -> Result<Option<u64>> {
    let (Some(quota), Some(project)) = (quota, project) else { return Ok(None) };
    let room = quota.saturating_sub(stored(db, project, None).await?);
    if declared.map_or(room == 0, |size| size > room) {
        return Err(over_storage(quota));
    }
    Ok(Some(room))
}

/// Requires that a project may store `bytes` of an image under `quota`, beside what it stores already; what that
/// image has now is left out of the count when it is named in `instead_of`.
///
/// # Errors
/// [`Error::TooLarge`]
pub async fn check_storage(
    db: &Db,
    quota: Option<u64>,
    project: Option<String>,
    instead_of: Option<String>,
    bytes: u64,
) -> Result<()> {
    let (Some(quota), Some(project)) = (quota, project) else { return Ok(()) };
    let used = stored(db, project, instead_of).await?;
    if used.saturating_add(bytes) > quota { Err(over_storage(quota)) } else { Ok(()) }
}

/// Bytes that a project keeps in stores, one image left out.
async fn stored(db: &Db, project: String, but: Option<String>) -> Result<u64> {
    let used = db
        .read("image.storage_usage", move |conn| db::images::storage_usage(conn, &project, but.as_deref()))
        .await?;
    Ok(u64::try_from(used).unwrap_or(0))
}

/// The refusal of bytes over the storage quota.
pub fn over_storage(quota: u64) -> Error {
    Error::TooLarge(format!("The storage quota of this project, {quota} bytes, would be exceeded."))
}
