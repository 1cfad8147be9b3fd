//! `copy-image`: an active image gets further stores, from one of those that have it.

use super::{
    Imports,
    activate::{self, kept_hash},
    bring::store_failure,
    distribute::{self, Origin},
    plan::Plan,
    state::State,
};
use crate::{
    blob::facts::Facts,
    model::{image::Image, status::Status},
    store::StoreErrorKind,
    work::{Done, Failure, Work},
};

/// Copies, without a detour over the staging folder.
pub async fn run(imports: &Imports, work: &Work, plan: &Plan, state: &mut State, image: &Image) -> Done<()> {
    if image.status != Status::Active {
        return Err(Failure::Final(format!(
            "The image is {} now; only active ones are copied.",
            image.status
        )));
    }
    let missing = |store: &&String| !image.locations.iter().any(|l| l.store.as_ref() == Some(*store));
    let plan = Plan { targets: plan.targets.iter().filter(missing).cloned().collect(), ..plan.clone() };
    let source = open(imports, image).await?;
    let check = |facts: &Facts| same(imports, image, facts);
    let delivered = distribute::from_store(imports, work, &plan, image, source, check).await?;
    activate::activate(imports, work, &plan, state, delivered).await
}

/// The data, from the default store if it has it; else from the first store that does.
async fn open(imports: &Imports, image: &Image) -> Done<Origin> {
    let mut locations: Vec<_> = image.locations.iter().collect();
    locations.sort_by_key(|l| l.store.as_deref() != Some(imports.images.stores.default_id()));
    for location in locations {
        let Some(named) = location.store.as_deref().and_then(|id| imports.images.stores.get(id)) else {
            continue;
        };
        match named.read(&location.url, None).await {
            Ok(chunks) => {
                let size = match image.size.and_then(|size| u64::try_from(size).ok()) {
                    Some(size) => size,
                    None => named.stat(&location.url).await.map_err(|e| store_failure(&e))?,
                };
                return Ok(Origin { chunks, size, store: named.clone(), url: location.url.clone() });
            }
            Err(error) if matches!(error.kind, StoreErrorKind::NotFound) => {
                tracing::error!(%error, image = %image.id, "a location has no data");
            }
            Err(error) => return Err(store_failure(&error)),
        }
    }
    Err(Failure::Final("None of the stores that this server reaches has the data of the image.".to_owned()))
}

/// A copy must be what the image is.
fn same(imports: &Imports, image: &Image, facts: &Facts) -> Done<()> {
    let size = image.size.is_none_or(|size| u64::try_from(size) == Ok(facts.size));
    let md5 = image.checksum.as_ref().is_none_or(|md5| facts.hashes.get("md5") == Some(md5));
    let hash = kept_hash(imports, image).is_none_or(|(name, value)| facts.hashes.get(&name) == Some(&value));
    if size && md5 && hash {
        return Ok(());
    }
    Err(distribute::changed())
}
