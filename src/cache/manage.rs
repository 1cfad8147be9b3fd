//! Operators' calls on the cache of the node that answers (`glance/api/v2/cached_images.py: CacheController`).

use std::sync::Arc;

use super::{Cache, Driver, Site};
use crate::{
    access::{refused, targets::ImageTarget},
    db,
    image::query,
    model::{
        cached_image::CachedImage,
        caller::Caller,
        error::{Error, Result},
        image::{Image, is_uuid},
        status::Status,
    },
    policy::{Empty, Target},
};

/// The cached and the queued images.
pub struct State {
    /// Records of this node.
    pub cached: Vec<CachedImage>,
    /// Ids of images, in order.
    pub queued: Vec<String>,
}

/// Asks a rule first and then whether there is a cache at all, as Glance does.
async fn enforce<'a>(
    site: &'a Site,
    caller: &Caller,
    rule: &str,
    image: Option<&Image>,
) -> Result<&'a Arc<Cache>> {
    let target = image.map(ImageTarget);
    let target: &dyn Target = match &target {
        Some(target) => target,
        None => &Empty,
    };
    if !site.images.access.allowed(caller, rule, target).await? {
        return Err(refused(rule));
    }
    site.cache.as_ref().ok_or_else(|| Error::NotFound("This server has no image cache.".to_owned()))
}

/// Lists the cache and the queue.
///
/// # Errors
/// [`Error::Forbidden`]; [`Error::NotFound`] without a cache.
pub async fn state(site: &Site, caller: &Caller) -> Result<State> {
    let cache = enforce(site, caller, "cache_list", None).await?;
    Ok(State { cached: cache.list().await?, queued: cache.queued().await? })
}

/// Has an image cached.
///
/// # Errors
/// [`Error::ImageNotFound`], [`Error::Forbidden`], [`Error::NotFound`] without a cache; [`Error::Invalid`] when the
/// image is not active.
pub async fn queue(site: &Site, caller: &Caller, id: &str) -> Result<()> {
    let image = query::find(&site.images, caller, id).await?;
    let cache = enforce(site, caller, "cache_image", Some(&image)).await?;
    if image.status != Status::Active {
        return Err(Error::invalid("Only active images can be cached."));
    }
    cache.queue(id).await
}

/// Takes an image out of cache and queue.
///
/// # Errors
/// [`Error::ImageNotFound`] when there is neither the image nor a copy of it; [`Error::Forbidden`];
/// [`Error::NotFound`] without a cache.
pub async fn delete(site: &Site, caller: &Caller, id: &str) -> Result<()> {
    let image = match query::find(&site.images, caller, id).await {
        Ok(image) => Some(image),
        Err(missing @ Error::ImageNotFound(_)) => match &site.cache {
            Some(cache) if cache.knows(id).await? => None,
            _ => return Err(missing),
        },
        Err(other) => return Err(other),
    };
    let cache = enforce(site, caller, "cache_delete", image.as_ref()).await?;
    cache.unqueue(id).await?;
    cache.drop_copy(id).await
}

/// Empties the cache, the queue, or both, as the text of the header says.
///
/// # Errors
/// [`Error::Forbidden`]; [`Error::NotFound`] without a cache; [`Error::Invalid`] for another text.
pub async fn clear(site: &Site, caller: &Caller, target: &str) -> Result<()> {
    let cache = enforce(site, caller, "cache_delete", None).await?;
    let (of_queue, of_cache) = match target.to_lowercase().as_str() {
        "" => (true, true),
        "queue" => (true, false),
        "cache" => (false, true),
        _ => {
            return Err(Error::invalid(
                "The header x-image-cache-clear-target may be cache or queue, or absent for both.",
            ));
        }
    };
    if of_queue {
        cache.unqueue_all().await?;
    }
    if of_cache {
        cache.drop_all().await?;
    }
    Ok(())
}

/// URLs of the nodes that hold an image.
///
/// # Errors
/// [`Error::Forbidden`]; [`Error::NotFound`] without a cache; [`Error::Conflict`] when the driver does not know;
/// [`Error::ImageNotFound`].
pub async fn nodes(site: &Site, caller: &Caller, id: &str) -> Result<Vec<String>> {
    let cache = enforce(site, caller, "list_cached_nodes", None).await?;
    if cache.driver() != Driver::CentralizedDb {
        return Err(Error::conflict("Nodes are known with image_cache_driver = centralized_db only."));
    }
    let image = query::find(&site.images, caller, id).await?;
    Ok(site.images.db.read("cache.nodes", move |conn| db::cached_images::nodes_of(conn, &image.id)).await?)
}

/// Removes invalid data and the remains of failed copies.
///
/// # Errors
/// [`Error::Forbidden`]; [`Error::NotFound`] without a cache.
pub async fn clean(site: &Site, caller: &Caller) -> Result<()> {
    enforce(site, caller, "cache_clean", None).await?.clean().await
}

/// Brings the cache down to its size; returns how many copies, and how many bytes, had to go.
///
/// # Errors
/// [`Error::Forbidden`]; [`Error::NotFound`] without a cache.
pub async fn prune(site: &Site, caller: &Caller) -> Result<(u64, u64)> {
    enforce(site, caller, "cache_prune", None).await?.prune().await
}

/// The cache, for the calls of earlier releases (`glance/api/middleware/cache_manage.py`), which check a single rule
/// and nothing about images.
///
/// # Errors
/// [`Error::Forbidden`]; [`Error::NotFound`] without a cache.
pub async fn of_old<'a>(site: &'a Site, caller: &Caller) -> Result<&'a Arc<Cache>> {
    enforce(site, caller, "manage_image_cache", None).await
}

impl Cache {
    /// Whether there is a copy of an image, or one is wanted.
    async fn knows(&self, id: &str) -> Result<bool> {
        Ok(is_uuid(id)
            && (self.record(id).await?.is_some() || self.queued().await?.iter().any(|queued| queued == id)))
    }
}
