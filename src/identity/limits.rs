//! Where the limits of projects come from: a real Keystone, or the built-in identity.

use async_trait::async_trait;

use crate::{
    db::{Conn, Db, DbResult, identity::limits},
    model::{
        error::Result,
        unified::{ProjectLimits, UnifiedLimits},
    },
};

/// The type of the service whose limits are enforced here.
const SERVICE_TYPE: &str = "image";

/// Knows the limits of projects.
#[async_trait]
pub trait LimitSource: Send + Sync {
    /// The limits of a project; those of all, for who has none.
    ///
    /// # Errors
    /// [`Error::Internal`](crate::model::error::Error::Internal) when they cannot be found out, as in Glance.
    async fn limits_of(&self, project: Option<&str>) -> Result<ProjectLimits>;
}

/// The limits that the built-in identity keeps. They are in the database of the images, and read each time.
pub struct BuiltinLimits {
    db: Db,
    region: String,
}

impl BuiltinLimits {
    /// Reads the limits of a region and those that are for all.
    pub fn new(db: Db, region: &str) -> Self {
        Self { db, region: region.to_owned() }
    }
}

#[async_trait]
impl LimitSource for BuiltinLimits {
    async fn limits_of(&self, project: Option<&str>) -> Result<ProjectLimits> {
        let (region, project) = (self.region.clone(), project.map(str::to_owned));
        let read = move |conn: &mut Conn| -> DbResult<Vec<limits::Limit>> {
            limits::of_project(conn, SERVICE_TYPE, &region, project.as_deref())
        };
        let rows = self.db.read_one("identity_limits.of_project", read).await?;
        // What is for one project precedes what is for all, and what is for one region as well.
        let rank = |row: &&limits::Limit| (row.project_id.is_some(), row.region_id.is_some());
        let own = UnifiedLimits::of(|name| {
            rows.iter().filter(|row| row.resource_name == name).max_by_key(rank).map(|row| row.limit_value)
        });
        Ok(ProjectLimits { own, shared: None })
    }
}
