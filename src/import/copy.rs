//! `copy-image`: copies the data of an active image to further stores.

use std::collections::VecDeque;

use super::{
    Imports,
    activate::{self, kept_hash},
    bring::store_failure,
    distribute::{self, Origin},
    plan::Plan,
    signed,
    state::State,
    wish,
};
use crate::{
    blob::{facts::Facts, unbroken::Elsewhere},
    image::signature::{self, Verifier},
    model::{
        image::{Image, Location},
        status::Status,
    },
    store::{ByteStream, NamedStore, StoreError, StoreErrorKind, StoreResult},
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
    let (unfit, targets): (Vec<_>, Vec<_>) =
        plan.targets.iter().cloned().partition(|store| wish::refuses(imports, image, store));
    if let Some(store) = unfit.first().filter(|_| plan.asked.all_stores_must_succeed || targets.is_empty()) {
        return Err(wish::refusal(imports, image, store).into());
    }
    let plan = Plan { targets, ..plan };
    // The signature is that of what was sent, which the store may have converted: its hash says what is stored. MD5 alone
    // would prove nothing.
    let by_hash = kept_hash(imports, image).is_some()
        && wish::may_be_converted(imports, image)
        && !matches!(signature::claim_of(image), Ok(None));
    let verifier = match by_hash {
        true => None,
        false => signed::verifier(imports, work, &plan, state, image).await?,
    };
    let mut source = open(imports, image).await?;
    // What is known is enough unless the hash itself stands for the signature, or the one that it signs was not measured.
    let suffice = |facts: &Facts| {
        !by_hash && verifier.as_ref().is_none_or(|verifier| verifier.is_measured(&facts.hashes))
    };
    source.known = source.known.filter(suffice);
    let check = |facts: &Facts| {
        same(imports, image, facts)?;
        Ok(verifier.as_ref().map_or(Ok(()), |verifier: &Verifier| verifier.check(&facts.hashes))?)
    };
    let mut delivered = distribute::from_store(imports, work, &plan, image, source, check).await?;
    delivered.failed.extend(unfit);
    activate::activate(imports, work, &plan, state, delivered).await
}

/// The data, from the default store if it has it and answers; else from the first store that does. Where that breaks
/// off the next one continues, since all of a copy is checked against what the image is.
async fn open(imports: &Imports, image: &Image) -> Done<Origin> {
    let stores = &imports.images.stores;
    let is_hashed = image.checksum.is_some() || kept_hash(imports, image).is_some();
    let mut locations: Vec<_> = image.locations.iter().filter(|l| !l.is_sealed()).collect();
    locations.sort_by_key(|l| l.store.as_deref() != Some(stores.default_id()));
    let named = |l: &&Location| l.store.as_deref().and_then(|id| stores.get(id)).zip(Some((*l).clone()));
    let mut left: VecDeque<(NamedStore, Location)> = locations.iter().filter_map(named).collect();
    let mut failed = None;
    while let Some((named, Location { url, blob_id, .. })) = left.pop_front() {
        match begin(image, &named, &url).await {
            Ok((chunks, size)) => {
                let left = left.into_iter().filter(|_| is_hashed).map(|(named, other)| (named, other.url));
                let elsewhere = Elsewhere { image: image.id.clone(), size, left: left.collect() };
                // What we wrote was measured then, and nobody else writes there.
                let known = if blob_id.is_some() { Facts::of_image(image) } else { None };
                return Ok(Origin { chunks, size, store: named, url, elsewhere, known });
            }
            Err(error) => {
                tracing::error!(%error, image = %image.id, store = %named.id, "a location cannot be copied from");
                let waits = failed.as_ref().is_some_and(StoreError::is_left_alone);
                if error.kind != StoreErrorKind::NotFound && !waits {
                    failed = Some(error);
                }
            }
        }
    }
    Err(failed.map_or_else(
        || {
            Failure::Final(
                "None of the stores that this server reaches has the data of the image.".to_owned(),
            )
        },
        |error| store_failure(&error),
    ))
}

/// Opens a location, and returns how many bytes it has, too.
async fn begin(image: &Image, named: &NamedStore, url: &str) -> StoreResult<(ByteStream, u64)> {
    let chunks = named.read(url, None).await?;
    match image.size.and_then(|size| u64::try_from(size).ok()) {
        Some(size) => Ok((chunks, size)),
        None => Ok((chunks, named.stat(url).await?)),
    }
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
