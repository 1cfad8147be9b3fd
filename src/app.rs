//! The long-lived parts of the service, as the server creates them and the API passes them on: one handle for each
//! room.

use std::sync::Arc;

use crate::{
    blob::{Blobs, Leases},
    cache::{Cache, Site},
    db::Db,
    image::Images,
    import::Imports,
    metadef::Definitions,
    notify::{Hub, audit::Audit, bus::Bus, webhooks::Webhooks},
    policy::Enforcer,
    storage::Storages,
    store::{Stores, opening::Opener},
    telemetry::trace::Tracer,
    usage::{self, Usage},
    work,
};

/// The long-lived parts of the service.
pub struct App {
    /// The database.
    pub db: Db,
    /// Where the bytes are.
    pub stores: Arc<Stores>,
    /// The rules, for the task that watches their files.
    pub policy: Arc<Enforcer>,
    /// The images.
    pub images: Images,
    /// The byte path.
    pub blobs: Blobs,
    /// Imports, and the queue of work.
    pub imports: Imports,
    /// The images with the cache of this node in front.
    pub site: Site,
    /// Metadata definitions.
    pub definitions: Definitions,
    /// Those who listen to events.
    pub hub: Arc<Hub>,
    /// Webhooks.
    pub webhooks: Webhooks,
    /// The message bus, if notifications are sent.
    pub bus: Option<Bus>,
    /// The audit log, if there is one.
    pub audit: Option<Audit>,
    /// Usage and its cost.
    pub usage: Usage,
    /// Stores that come and go while the service runs.
    pub storages: Storages,
    /// What takes spans, where traces are on.
    pub tracer: Option<Tracer>,
    /// The operator's settings about jobs.
    pub jobs: work::Settings,
    /// Places that only some nodes reach, and this one does; jobs name them.
    pub affinities: Vec<String>,
}

impl App {
    /// Puts the rooms together.
    pub fn new(
        imports: Imports,
        cache: Option<Arc<Cache>>,
        policy: Arc<Enforcer>,
        opener: Opener,
        (jobs, usage): (work::Settings, usage::Settings),
    ) -> Self {
        let (images, blobs) = (imports.images.clone(), imports.blobs.clone());
        Self {
            db: images.db.clone(),
            stores: Arc::clone(&images.stores),
            policy,
            site: Site { images: images.clone(), cache },
            definitions: Definitions { db: images.db.clone(), access: images.access.clone() },
            webhooks: Webhooks {
                db: images.db.clone(),
                access: images.access.clone(),
                fetcher: imports.fetcher.clone(),
                seals: imports.seals.clone(),
                tracer: None,
            },
            bus: None,
            tracer: None,
            audit: None,
            hub: Arc::new(Hub::new(images.db.clone())),
            usage: Usage::new(images.db.clone(), images.access.clone(), usage),
            storages: Storages::new(images.clone(), imports.seals.clone(), opener),
            affinities: vec![blobs.staging.id().to_owned()],
            images,
            blobs,
            imports,
            jobs,
        }
    }

    /// The same, traced.
    #[must_use]
    pub fn traced(self, tracer: Option<Tracer>) -> Self {
        Self { webhooks: Webhooks { tracer: tracer.clone(), ..self.webhooks }, tracer, ..self }
    }

    /// The leases of this process.
    pub fn leases(&self) -> &Leases {
        &self.blobs.leases
    }

    /// The cache of this node, if it has one.
    pub fn cache(&self) -> Option<&Arc<Cache>> {
        self.site.cache.as_ref()
    }
}
