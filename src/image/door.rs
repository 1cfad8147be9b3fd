//! The context of a change.

use std::sync::Arc;

use super::{Images, IsoDefaults, in_use::InUseRule};
use crate::{
    access::unified::Quota,
    db::{self, Conn, DbResult},
    model::{
        caller::Caller,
        clock::Clock,
        consumer::InUse,
        error::Error,
        event::Author,
        image::{Image, Location},
        limits::Limits,
        notice::{Notices, image::Moved},
    },
};

/// The context of a change: its author, how long doomed data stays, and the quotas.
#[derive(Clone, Debug)]
pub struct Door {
    /// The author of the change.
    pub author: Author,
    /// Seconds for which the bytes of what goes stay (`delayed_delete`, `scrub_time`).
    pub delay_seconds: i64,
    /// Bytes that the author's project may keep (`user_storage_quota`).
    pub storage_quota: Option<u64>,
    /// Seconds for which a deleted image can come back (`trash_days`, `delayed_delete`); 0 is not at all.
    pub bin_seconds: i64,
    /// What happens to images in use when they are deleted (`in_use_delete`).
    pub in_use: InUseRule,
    /// Seconds for which an image that was protected cannot be deleted (`protect_cooldown_hours`).
    pub cooldown_seconds: i64,
    /// Seconds after which images for everybody are deprecated (`public_deprecation_days`).
    pub public_seconds: Option<i64>,
    /// The properties that ISO images get (`iso_image_kind`, `iso_temporary`).
    pub iso: IsoDefaults,
    /// The limits of projects without limits of their own; `None` for callers without limits.
    pub limits: Option<Limits>,
    /// The limits that the identity service has for the author's project, where the change may need more of them.
    pub unified: Option<Quota>,
    /// Whether images may only be in media groups that there are (`media_groups_strict`).
    pub groups_strict: bool,
    /// The time of the change.
    pub clock: Clock,
    /// Who is told of it.
    pub notices: Notices,
    /// What it does with data.
    pub moved: Moved,
    /// The ids of the stores that no administrator can remove while the service runs; `None` where no data comes to an
    /// image.
    pub fixed_stores: Option<Arc<[String]>>,
}

impl Door {
    /// A context without quotas and trash, for what the service does about its own rows.
    pub fn bare(author: Author, clock: &Clock, notices: &Notices) -> Self {
        Self {
            author,
            delay_seconds: 0,
            storage_quota: None,
            bin_seconds: 0,
            in_use: InUseRule::whatever(InUse::Allow),
            cooldown_seconds: 0,
            public_seconds: None,
            iso: IsoDefaults::default(),
            limits: None,
            unified: None,
            groups_strict: false,
            clock: clock.clone(),
            notices: notices.clone(),
            moved: Moved::default(),
            fixed_stores: None,
        }
    }

    /// Requires that the stores of locations that come to an image are still there, and keeps them there until the
    /// transaction ends.
    ///
    /// # Errors
    /// [`Error::Conflict`] for a storage that was removed meanwhile.
    pub(super) fn hold_stores(&self, conn: &mut Conn, before: &Image, after: &Image) -> DbResult<()> {
        let Some(fixed) = &self.fixed_stores else { return Ok(()) };
        let is_new = |location: &&Location| before.locations.iter().all(|old| old.id != location.id);
        let mut stores: Vec<&String> =
            after.locations.iter().filter(is_new).filter_map(|location| location.store.as_ref()).collect();
        // In one order, so that two changes do not wait for each other.
        stores.sort_unstable();
        stores.dedup();
        for store in stores.into_iter().filter(|store| !fixed.contains(store)) {
            if db::storages::hold(conn, store)?.is_none() {
                return Err(Error::conflict(format!("There is no store {store} any more.")).into());
            }
        }
        Ok(())
    }
}

impl Images {
    /// The context for an author.
    pub fn door(&self, author: Author) -> Door {
        let delay_seconds = if self.settings.delayed_delete { self.settings.scrub_time_seconds } else { 0 };
        let storage_quota = self.settings.user_storage_quota;
        Door {
            author,
            delay_seconds,
            bin_seconds: delay_seconds.max(self.settings.trash_seconds),
            storage_quota,
            in_use: self.in_use(),
            cooldown_seconds: self.settings.cooldown_seconds,
            public_seconds: self.settings.public_seconds,
            iso: self.settings.iso,
            limits: None,
            unified: None,
            groups_strict: false,
            clock: self.db.clock.clone(),
            notices: self.db.notices.clone(),
            moved: Moved::default(),
            fixed_stores: Some(self.stores.configured_ids()),
        }
    }

    /// The context for a caller: limits apply to everybody except administrators.
    pub fn door_of(&self, caller: &Caller) -> Door {
        let limits = (!caller.is_admin).then(|| self.settings.limits.clone());
        let groups_strict = self.settings.media_groups_strict;
        Door { limits, groups_strict, ..self.door(caller.into()) }
    }
}
