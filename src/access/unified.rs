//! Enforcement of the limits that the identity service keeps for projects (`use_keystone_limits`; `glance/quota/
//! keystone.py`, `oslo_limit/limit.py: _FlatEnforcer`), and on two levels where Keystone's model is `strict_two_level`,
//! which oslo.limit does not implement: then the projects of a domain also share what the domain may have.
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
        unified::{ProjectLimits, Resource, UnifiedLimits},
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
    limits: ProjectLimits,
}

/// One of the limits that a project has to keep to.
struct Level<'a> {
    limits: &'a UnifiedLimits,
    /// Whose images count; `None` is whoever has no project.
    projects: Option<Vec<&'a str>>,
    domain: Option<&'a str>,
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
        let Some(quota) = self.of(project).await?.filter(|quota| quota.is_limited(resource)) else {
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
                let used = quota.own().used(conn, resource, "")?;
                Ok((resource, in_unit(resource, used), quota.limits.own.get(resource)))
            });
            each.collect::<DbResult<_>>()
        };
        Ok(db.read("unified.usage", read).await?)
    }
}

/// Bytes or images, in the unit of the limit.
fn in_unit(resource: Resource, amount: u64) -> u64 {
    match resource {
        Resource::SizeTotal | Resource::StageTotal => amount / MIB,
        Resource::CountTotal | Resource::CountUploading => amount,
    }
}

impl Level<'_> {
    /// What the projects use: images, or bytes.
    fn used(&self, conn: &mut Conn, resource: Resource, but: &str) -> DbResult<u64> {
        db::unified::used(conn, resource, self.projects.as_deref(), but)
    }

    fn covers(&self, owner: Option<&str>) -> bool {
        match (&self.projects, owner) {
            (Some(projects), Some(owner)) => projects.contains(&owner),
            (None, None) => true,
            _ => false,
        }
    }
}

impl Quota {
    fn own(&self) -> Level<'_> {
        let projects = self.project.as_deref().map(|project| vec![project]);
        Level { limits: &self.limits.own, projects, domain: None }
    }

    /// The project's own level, and that of its domain.
    fn levels(&self) -> impl Iterator<Item = Level<'_>> {
        let shared = self.limits.shared.as_ref().map(|shared| Level {
            limits: &shared.limits,
            projects: Some(shared.projects.iter().map(String::as_str).collect()),
            domain: Some(&shared.domain),
        });
        std::iter::once(self.own()).chain(shared)
    }

    fn is_limited(&self, resource: Resource) -> bool {
        self.levels().any(|level| level.limits.limits(resource))
    }

    /// Nobody else adds anything to what the project has, or its domain, until the transaction ends.
    fn lock(&self, conn: &mut Conn) -> DbResult<()> {
        // Those of nobody count together.
        db::quota::lock(conn, self.project.as_deref().unwrap_or_default())?;
        // Always after the project, of which another transaction may hold another one.
        self.limits.shared.as_ref().map_or(Ok(()), |shared| db::quota::lock(conn, &shared.domain))
    }

    /// Requires on each level that there is room for `more`, images or bytes, beside what is there but for `without`.
    fn check(
        &self,
        conn: &mut Conn,
        (resource, but): (Resource, &str),
        more: u64,
        without: impl Fn(&Level<'_>) -> u64,
    ) -> DbResult<()> {
        for level in self.levels().filter(|level| level.limits.limits(resource)) {
            let used = level.used(conn, resource, but)?.saturating_sub(without(&level));
            let whose = (self.project.as_deref(), level.domain);
            level.limits.check(whose, resource, in_unit(resource, used), in_unit(resource, more))?;
        }
        Ok(())
    }

    fn check_bytes(&self, conn: &mut Conn, resource: Resource, but: &str, more: u64) -> DbResult<()> {
        self.check(conn, (resource, but), more, |_| 0)
    }

    /// The claim of a blob; `None` where what it counts for is not limited.
    pub fn claim(self, counts: Counts) -> Option<Claim> {
        self.is_limited(counts.resource).then_some(Claim { quota: self, counts })
    }

    /// Requires room for another image, which this transaction has entered for `owner`.
    ///
    /// # Errors
    /// [`Error::TooLarge`](crate::model::error::Error::TooLarge), and the database's.
    pub fn admit_image(&self, conn: &mut Conn, owner: Option<&str>) -> DbResult<()> {
        if !self.is_limited(Resource::CountTotal) {
            return Ok(());
        }
        self.lock(conn)?;
        self.check(conn, (Resource::CountTotal, ""), 1, |level| u64::from(level.covers(owner)))
    }

    /// Requires that the project has no more images on their way than it may, now that this transaction has made it one
    /// more.
    ///
    /// # Errors
    /// [`Error::TooLarge`](crate::model::error::Error::TooLarge), and the database's.
    pub fn admit_uploading(&self, conn: &mut Conn) -> DbResult<()> {
        if !self.is_limited(Resource::CountUploading) {
            return Ok(());
        }
        self.lock(conn)?;
        self.check(conn, (Resource::CountUploading, ""), 0, |_| 0)
    }

    /// Requires that the project may stage data for an image of this size, which this transaction has begun to import. An
    /// image that has a size is counted twice, as in Glance.
    ///
    /// # Errors
    /// [`Error::TooLarge`](crate::model::error::Error::TooLarge), and the database's.
    pub fn admit_import(&self, conn: &mut Conn, size: u64) -> DbResult<()> {
        if !self.is_limited(Resource::StageTotal) {
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
        if !self.is_limited(Resource::SizeTotal) || bytes == 0 {
            return Ok(());
        }
        self.lock(conn)?;
        let own = |level: &Level<'_>| if level.covers(owner) { bytes } else { 0 };
        self.check(conn, (Resource::SizeTotal, ""), bytes, own)
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
