//! Enforcement of the limits that the identity service keeps for projects (`use_keystone_limits`; `glance/quota/
//! keystone.py`, `oslo_limit/limit.py: _FlatEnforcer`).
//!
//! What is asked here, and with which numbers, is Glance's. Glance counts and then goes on, so of many requests at once
//! each finds room; here they are answered as if they had come one after another, because each counts in the transaction
//! that adds, while it holds the account of the project.

use std::sync::Arc;

use crate::{
    db::{self, Conn, Db, DbResult},
    identity::limits::LimitSource,
    model::{
        error::Result,
        unified::{Resource, UnifiedLimits},
    },
};

/// The unit of limits on bytes.
const MIB: u64 = 1 << 20;

/// Where limits come from, if there are any. Cheap to clone.
#[derive(Clone, Default)]
pub struct Unified(Option<Arc<dyn LimitSource>>);

/// The limits of a project as they are now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    project: Option<String>,
    limits: UnifiedLimits,
}

/// What a blob counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// The limit on bytes.
    pub resource: Resource,
    /// Whether its size, where that is known, is asked for beforehand. Else, as in Glance, it may come while the project is
    /// not over its limit, whatever its size.
    pub binding: bool,
}

/// What is asked of a limit on bytes for a blob that arrives.
#[derive(Clone, Debug)]
pub struct Claim {
    quota: Quota,
    counts: Counts,
}

impl Unified {
    /// Limits from this source.
    pub fn new(source: Option<Arc<dyn LimitSource>>) -> Self {
        Self(source)
    }

    /// The limits of the project of a caller; `None` where nothing is limited.
    ///
    /// # Errors
    /// As [`LimitSource::limits_of`].
    pub async fn of(&self, project: Option<&str>) -> Result<Option<Quota>> {
        let Some(source) = &self.0 else { return Ok(None) };
        let limits = source.limits_of(project).await?;
        Ok(Some(Quota { project: project.map(str::to_owned), limits }))
    }

    /// Requires, before anything else is looked at, that a project may have so many bytes more. It is asked again when they
    /// are reserved.
    ///
    /// # Errors
    /// [`Error::TooLarge`](crate::model::error::Error::TooLarge), and those of [`Unified::of`].
    pub async fn check_bytes(
        &self,
        db: &Db,
        project: Option<&str>,
        resource: Resource,
        bytes: Option<u64>,
    ) -> Result<()> {
        let Some(quota) = self.of(project).await?.filter(|quota| quota.limits.limits(resource)) else {
            return Ok(());
        };
        let read = move |conn: &mut Conn| quota.check_bytes(conn, resource, "", bytes.unwrap_or(0));
        Ok(db.read_one("unified.check_bytes", read).await?)
    }

    /// What a project uses of each resource, and its limit; nothing where nothing is limited.
    ///
    /// # Errors
    /// Those of [`Unified::of`], and the database's.
    pub async fn usage(&self, db: &Db, project: Option<&str>) -> Result<Vec<(Resource, u64, i64)>> {
        let Some(quota) = self.of(project).await? else { return Ok(Vec::new()) };
        let read = move |conn: &mut Conn| {
            let each = Resource::ALL.into_iter().map(|resource| {
                let used = quota.used(conn, resource, "")?;
                Ok((resource, used, quota.limits.get(resource)))
            });
            each.collect::<DbResult<_>>()
        };
        Ok(db.read("unified.usage", read).await?)
    }
}

impl Quota {
    /// What the project uses, in the unit of the limit.
    fn used(&self, conn: &mut Conn, resource: Resource, but: &str) -> DbResult<u64> {
        let used = db::unified::used(conn, resource, self.project.as_deref(), but)?;
        Ok(match resource {
            Resource::SizeTotal | Resource::StageTotal => used / MIB,
            Resource::CountTotal | Resource::CountUploading => used,
        })
    }

    /// Nobody else adds anything to what the project has until the transaction ends.
    fn lock(&self, conn: &mut Conn) -> DbResult<()> {
        // Those of nobody count together.
        db::quota::lock(conn, self.project.as_deref().unwrap_or_default())
    }

    fn check(&self, resource: Resource, used: u64, more: u64) -> DbResult<()> {
        Ok(self.limits.check(self.project.as_deref(), resource, used, more)?)
    }

    fn check_bytes(&self, conn: &mut Conn, resource: Resource, but: &str, more: u64) -> DbResult<()> {
        let used = self.used(conn, resource, but)?;
        self.check(resource, used, more / MIB)
    }

    /// The claim of a blob; `None` where what it counts for is not limited.
    pub fn claim(self, counts: Counts) -> Option<Claim> {
        self.limits.limits(counts.resource).then_some(Claim { quota: self, counts })
    }

    fn covers(&self, owner: Option<&str>) -> bool {
        self.project.as_deref() == owner
    }

    /// Requires room for another image, which this transaction has entered for `owner`.
    ///
    /// # Errors
    /// [`Error::TooLarge`](crate::model::error::Error::TooLarge), and the database's.
    pub fn admit_image(&self, conn: &mut Conn, owner: Option<&str>) -> DbResult<()> {
        if !self.limits.limits(Resource::CountTotal) {
            return Ok(());
        }
        self.lock(conn)?;
        let others = self.used(conn, Resource::CountTotal, "")?.saturating_sub(u64::from(self.covers(owner)));
        self.check(Resource::CountTotal, others, 1)
    }

    /// Requires that the project has no more images on their way than it may, now that this transaction has made it one
    /// more.
    ///
    /// # Errors
    /// [`Error::TooLarge`](crate::model::error::Error::TooLarge), and the database's.
    pub fn admit_uploading(&self, conn: &mut Conn) -> DbResult<()> {
        if !self.limits.limits(Resource::CountUploading) {
            return Ok(());
        }
        self.lock(conn)?;
        let used = self.used(conn, Resource::CountUploading, "")?;
        self.check(Resource::CountUploading, used, 0)
    }

    /// Requires that the project may stage data for an image of this size, which this transaction has begun to import. An
    /// image that has a size is counted twice, as in Glance.
    ///
    /// # Errors
    /// [`Error::TooLarge`](crate::model::error::Error::TooLarge), and the database's.
    pub fn admit_import(&self, conn: &mut Conn, size: u64) -> DbResult<()> {
        if !self.limits.limits(Resource::StageTotal) {
            return Ok(());
        }
        self.lock(conn)?;
        self.check_bytes(conn, Resource::StageTotal, "", size)
    }

    /// Requires room for the data of an image that this transaction has brought back.
    ///
    /// # Errors
    /// [`Error::TooLarge`](crate::model::error::Error::TooLarge), and the database's.
    pub fn admit_restored(&self, conn: &mut Conn, owner: Option<&str>, bytes: u64) -> DbResult<()> {
        self.admit_image(conn, owner)?;
        if !self.limits.limits(Resource::SizeTotal) || bytes == 0 {
            return Ok(());
        }
        self.lock(conn)?;
        let used = db::unified::used(conn, Resource::SizeTotal, self.project.as_deref(), "")?;
        let others = used.saturating_sub(if self.covers(owner) { bytes } else { 0 });
        self.check(Resource::SizeTotal, others / MIB, bytes / MIB)
    }
}

impl Claim {
    /// Requires that a blob of an image may have so many bytes, which this transaction has reserved for it. What the image
    /// already has on its way is not counted: each store of an import is asked for the same data.
    ///
    /// # Errors
    /// [`Error::TooLarge`](crate::model::error::Error::TooLarge), and the database's.
    pub fn admit(&self, conn: &mut Conn, image: &str, bytes: u64) -> DbResult<()> {
        self.quota.lock(conn)?;
        let more = if self.counts.binding { bytes } else { 0 };
        self.quota.check_bytes(conn, self.counts.resource, image, more)
    }
}
