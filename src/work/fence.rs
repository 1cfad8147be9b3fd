//! Changes of images that only the node makes which has the job: one that was stopped for longer than its lease, and goes
//! on, changes nothing of what another works on meanwhile.

use super::Work;
use crate::{
    db::{self, Conn, DbResult},
    image::{Images, change},
    model::{error::Result, image::Image},
};

impl Work {
    /// What a transaction begins with that changes anything for the job. It fails with
    /// [`DbError::Stale`](db::DbError::Stale) when the job is another node's now.
    pub fn fence(&self) -> impl Fn(&mut Conn) -> DbResult<()> + Send + Sync + use<> {
        let (id, node, clock) = (self.job.id.clone(), self.node.clone(), self.db.clock.clone());
        move |conn| db::jobs::hold(conn, &id, &node, clock.now())
    }

    /// Changes an image. `decide` returns its new state, or `None` for no change.
    ///
    /// # Errors
    /// [`DbError::Stale`](db::DbError::Stale) when the job is another node's now, what `decide` answers, and the
    /// database's.
    pub async fn change(
        &self,
        images: &Images,
        id: &str,
        decide: impl Fn(&Image) -> Result<Option<Image>> + Send + Sync + 'static,
    ) -> DbResult<Image> {
        let (fence, door, id) = (self.fence(), images.door(self.author()), id.to_owned());
        let change = move |conn: &mut Conn| {
            fence(conn)?;
            change::in_txn(conn, &door, &id, |_, before| Ok(decide(before)?))
        };
        let changed = images.db.write_patiently("job.change_image", change).await?;
        images.doomed.notify_one();
        Ok(changed)
    }
}
