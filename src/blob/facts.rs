//! The properties of received data: its size, hashes and format, and whether it may become the data of its image.

use serde::{Deserialize, Serialize};

use super::digests::{Measured, Wanted};
use crate::{
    format,
    image::{
        Images,
        expected::{self, EXPECTED_HASH, EXPECTED_STORED_HASH},
        signature,
    },
    model::{
        error::{Error, Result},
        hash::{Algorithm, Hashes},
        image::Image,
        limits::Limits,
    },
};

/// The measured properties of data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Bytes.
    pub size: u64,
    /// Hashes by algorithm.
    pub hashes: Hashes,
    /// The format that was recognised; `None` when several contend.
    pub detected: Option<String>,
    /// Bytes of the disk a guest would see.
    pub virtual_size: Option<u64>,
    /// Why it may not be the data of the image, for the user.
    pub rejection: Option<String>,
    /// The formats on which that verdict was taken: disk and container. It is worth nothing for others.
    #[serde(default)]
    judged_as: Option<(Option<String>, Option<String>)>,
}

/// The algorithm of an image's secure hash.
pub fn algorithm(images: &Images, image: &Image) -> String {
    image.os_hash_algo.clone().unwrap_or_else(|| images.settings.hashing_algorithm.clone())
}

/// The hashes to compute for an image that keeps one secure hash and optionally MD5, including those that it is checked
/// against.
///
/// # Errors
/// [`Error::Invalid`] for an unknown algorithm.
pub fn hashes_of(images: &Images, image: &Image, algorithm: &str) -> Result<Wanted> {
    let known = |name: &str| {
        Algorithm::of(name)
            .ok_or_else(|| Error::invalid(format!("The hash algorithm {name:?} is not known.")))
    };
    let mut kept = vec![known("md5")?, known(algorithm)?];
    if !images.settings.legacy_checksum && image.checksum.is_none() {
        kept.remove(0);
    }
    kept.dedup();
    Ok(Wanted { kept, ..Wanted::default() })
}

/// What to measure for an image, including every expected hash and that of its signature.
///
/// # Errors
/// [`Error::Invalid`] for expectations that cannot be read.
pub fn wanted(images: &Images, image: &Image) -> Result<Wanted> {
    let mut wanted = hashes_of(images, image, &algorithm(images, image))?;
    for property in [EXPECTED_HASH, EXPECTED_STORED_HASH] {
        wanted.extra.extend(expected::of(image, property)?.keys().filter_map(|name| Algorithm::of(name)));
    }
    // What is wrong with a signature is said by those who verify it.
    let signed = signature::claim_of(image).ok().flatten().map(|claim| claim.algorithm());
    wanted.extra.extend(signed.filter(|algorithm| !wanted.extra.contains(algorithm)));
    wanted.inspect = true;
    wanted.owner.clone_from(&image.owner);
    Ok(wanted)
}

/// Judges the format of the data (`glance/location.py: ImageProxy.set_data`): only that of bare containers must be what
/// was declared, but unsafe data is refused in all of them. Returns the virtual size in bytes.
///
/// # Errors
/// [`Error::UnsupportedMediaType`] when the data is unsafe or not what was declared.
fn judge(
    images: &Images,
    limits: &Limits,
    image: &Image,
    inspection: &format::Inspection,
) -> Result<Option<u64>> {
    let verdict = if image.container_format.as_deref() == Some("bare") {
        let disk_format = image.disk_format.as_deref().unwrap_or_default();
        let mut rules = images.settings.format_rules.clone();
        rules.max_virtual_size = limits.max_virtual_size.unwrap_or(u64::MAX);
        format::decide(inspection, disk_format, &rules)
    } else {
        format::check_harmless(inspection, true).map(|()| None)
    };
    verdict.map_err(|rejection| Error::UnsupportedMediaType(rejection.to_string()))
}

/// The formats that an image declares: disk and container.
fn formats(image: &Image) -> (Option<String>, Option<String>) {
    (image.disk_format.clone(), image.container_format.clone())
}

impl Facts {
    /// The checked result of a measurement, under the limits of the image's project.
    pub fn of(images: &Images, limits: &Limits, image: &Image, measured: Measured) -> Self {
        let (mut virtual_size, mut rejection, mut detected) = (None, None, None);
        if let Some(inspection) = &measured.inspection {
            detected = inspection.format_name().map(str::to_owned);
            match judge(images, limits, image, inspection) {
                Ok(size) => virtual_size = size,
                Err(reason) => rejection = Some(reason.to_string()),
            }
        }
        let judged_as = Some(formats(image));
        Self { size: measured.size, hashes: measured.hashes, detected, virtual_size, rejection, judged_as }
    }

    /// The result for data that is already in a store. Its declared format is trusted, but unsafe data is refused.
    pub fn of_location(measured: Measured) -> Self {
        let inspection = measured.inspection.as_ref();
        let refused = inspection.and_then(|inspection| format::check_harmless(inspection, true).err());
        let rejection = refused.map(|rejection| rejection.to_string());
        Self { size: measured.size, hashes: measured.hashes, rejection, ..Self::default() }
    }

    /// The properties of an image's existing data; `None` if its size or its secure hash is missing. Nothing is
    /// checked.
    pub fn of_image(image: &Image) -> Option<Self> {
        let size = u64::try_from(image.size?).ok()?;
        let secure = (image.os_hash_algo.clone()?, image.os_hash_value.clone()?);
        let md5 = image.checksum.clone().map(|md5| ("md5".to_owned(), md5));
        let hashes = md5.into_iter().chain([secure]).collect();
        Some(Self { size, hashes, ..Self::default() })
    }

    /// Whether the verdict was taken on the formats that the image has.
    pub fn are_judged_for(&self, image: &Image) -> bool {
        self.judged_as.as_ref() == Some(&formats(image))
    }

    /// Checks the bytes as they came against what their owner expects.
    ///
    /// # Errors
    /// [`Error::Invalid`]
    pub fn check_source(&self, image: &Image) -> Result<()> {
        expected::check(EXPECTED_HASH, &expected::of(image, EXPECTED_HASH)?, &self.hashes)
    }

    /// Checks the format of the bytes against what their owner declared.
    ///
    /// # Errors
    /// [`Error::UnsupportedMediaType`] when the data is unsafe or not what was declared.
    pub fn check_format(&self) -> Result<()> {
        match &self.rejection {
            Some(rejection) => Err(Error::UnsupportedMediaType(rejection.clone())),
            None => Ok(()),
        }
    }

    /// Checks the bytes that will be kept against what their owner expects and declared.
    ///
    /// # Errors
    /// [`Error::Invalid`]; [`Error::UnsupportedMediaType`] when the data is unsafe or not what was declared.
    pub fn check_stored(&self, image: &Image) -> Result<()> {
        self.check_format()?;
        expected::check(EXPECTED_STORED_HASH, &expected::of(image, EXPECTED_STORED_HASH)?, &self.hashes)
    }

    /// Writes down on the image what its data is. To be called in the transaction that activates the image, with the
    /// formats that it is to have.
    ///
    /// # Errors
    /// [`Error::Conflict`] when these are not the formats on which the verdict was taken.
    pub fn describe(&self, image: &mut Image, algorithm: &str) -> Result<()> {
        if !self.are_judged_for(image) {
            return Err(Error::conflict(
                "The formats of the image were changed while its data was on the way.",
            ));
        }
        image.size = Some(i64::try_from(self.size).map_err(|e| Error::internal("size", e))?);
        image.virtual_size = self.virtual_size.and_then(|size| i64::try_from(size).ok());
        image.checksum = self.hashes.get("md5").cloned();
        image.os_hash_algo = Some(algorithm.to_owned());
        image.os_hash_value = self.hashes.get(algorithm).cloned();
        Ok(())
    }
}
