//! Into which store the data of an image goes when the client names none.

use super::Images;
use crate::{
    model::{
        error::{Error, Result},
        image::Image,
        placement::{Candidate, Decision, Facts, Rule, decide},
    },
    store::NamedStore,
};

/// Where an image of this kind goes by these rules, and why.
pub fn decision(images: &Images, rules: &[Rule], facts: &Facts) -> Decision {
    let stores: Vec<NamedStore> = images.stores.iter().collect();
    let candidates: Vec<Candidate<'_>> = stores.iter().map(candidate).collect();
    decide(rules, facts, &candidates, images.stores.default_id())
}

fn candidate(named: &NamedStore) -> Candidate<'_> {
    Candidate { id: &named.id, weight: named.weight, takes_data: named.takes_data(), terms: &named.terms }
}

/// The store for the data of an image.
///
/// # Errors
/// [`Error::Unavailable`] when it has just been removed.
pub fn store(images: &Images, image: &Image) -> Result<NamedStore> {
    let stores = &images.stores;
    let id = match stores.multiple {
        true => decision(images, &stores.rules(), &Facts::of(image)).store,
        false => stores.default_id().to_owned(),
    };
    stores.get(&id).ok_or_else(|| Error::Unavailable(format!("The store {id} has just been removed.")))
}
