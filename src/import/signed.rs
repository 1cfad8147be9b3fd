//! The signatures of imports. The certificate is fetched with the token of the request, when it is made; as in Glance it
//! is the task that fails if that fails, or if the data does not fit (`glance/location.py: ImageProxy.set_data`). What is
//! verified are the bytes that plug-ins leave; a conversion for a store comes later and is not the owner's wish.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD as BASE64};

use super::{
    Imports,
    asked::Method,
    bring,
    plan::Plan,
    remote,
    state::{Signer, State},
    wish,
};
use crate::{
    image::{
        Images,
        signature::{self, Claim, Verifier},
    },
    model::{
        caller::{Caller, Token},
        error::{Error, Result},
        image::Image,
    },
    work::{Done, Failure, Work},
};

/// The certificate of an image that is signed; `None` if it is not, or says nothing of which a certificate could be
/// known.
pub async fn signer(images: &Images, caller: &Caller, image: &Image) -> Option<Signer> {
    fetch(images, caller.token.as_ref(), signature::claim_of(image)).await
}

/// As [`signer`], of an image that is not there yet.
pub async fn signer_of<'a>(
    images: &Images,
    caller: &Caller,
    said: impl Fn(&str) -> Option<Option<&'a str>>,
) -> Option<Signer> {
    fetch(images, caller.token.as_ref(), signature::claim(said)).await
}

async fn fetch(images: &Images, token: Option<&Token>, claim: Result<Option<Claim>>) -> Option<Signer> {
    let id = claim.ok()??.certificate;
    let found = signature::certificate(images, token, &id).await;
    Some(Signer { id, certificate: found.map(|der| BASE64.encode(der)).map_err(|error| error.to_string()) })
}

/// What verifies the data of an image; `None` if there is nothing to verify. The properties are those that the image has
/// now, the certificate is the one that they named at the request, or that the other service's image names.
///
/// # Errors
/// [`Failure::Refused`] when the data cannot be verified.
pub async fn verifier(
    imports: &Imports,
    work: &Work,
    plan: &Plan,
    state: &mut State,
    image: &Image,
) -> Done<Option<Verifier>> {
    // An upload is verified when it comes; one in parts when it is complete.
    if plan.asked.method == Method::Upload && state.upload.is_none() || state.verified {
        return Ok(None);
    }
    let Some(claim) = signature::claim_of(image)? else { return Ok(None) };
    let is_of = |signer: &Signer| signer.id == claim.certificate;
    if !state.signer.as_ref().is_some_and(is_of) && state.remote.is_some() {
        let token = remote::token(imports, &image.id, state).await?;
        let claim = Ok(Some(claim.clone()));
        state.signer = work.waiting(fetch(&imports.images, Some(&Token::new(&token)), claim)).await?;
    }
    let signer = state.signer.as_ref().filter(|signer| is_of(signer)).ok_or_else(|| {
        Failure::from(Error::Invalid(
            "The signature of the image cannot be verified: it was changed after the import was asked for."
                .to_owned(),
        ))
    })?;
    let certificate =
        signer.certificate.as_ref().map_err(|why| Failure::from(Error::Invalid(why.clone())))?;
    let certificate = BASE64.decode(certificate).unwrap_or_default();
    Ok(Some(claim.with(&certificate, imports.images.db.clock.now())?))
}

/// Verifies staged data if it is going to be converted for the stores. Returns what is left to verify when it is written.
///
/// # Errors
/// [`Failure::Refused`] for data that cannot be verified, or does not fit.
pub async fn before_conversion(
    imports: &Imports,
    work: &Work,
    plan: &Plan,
    state: &mut State,
    image: &Image,
) -> Done<Option<Verifier>> {
    let mut image = image.clone();
    state.apply(&mut image);
    let Some(verifier) = verifier(imports, work, plan, state, &image).await? else { return Ok(None) };
    if wish::conversion(&image, wish::format(imports, &image, &plan.targets)?.as_deref()).is_none() {
        return Ok(Some(verifier));
    }
    state.facts.take_if(|facts| !verifier.is_measured(&facts.hashes));
    verifier.check(&bring::examined(imports, work, state, &image).await?.hashes)?;
    state.verified = true;
    Ok(None)
}
