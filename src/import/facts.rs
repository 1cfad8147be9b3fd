//! What data is: its size, its hashes, its format, and whether it may become the data of its image.

use serde::{Deserialize, Serialize};

use crate::{
    app::App,
    image::{
        expected::{self, EXPECTED_HASH, EXPECTED_STORED_HASH, Examiner, Hashes},
        upload,
    },
    model::{error::Error, image::Image},
    store::measure::{self, Measure, Measurement},
    work::{Done, Failure},
};

/// What data is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// The secure hash of an image beside MD5.
pub fn algorithm(app: &App, image: &Image) -> String {
    image.os_hash_algo.clone().unwrap_or_else(|| app.settings.hashing_algorithm.clone())
}

/// Begins to measure data for an image, with every hash that somebody expects.
///
/// # Errors
/// [`Failure::Final`] for expectations that cannot be read.
pub fn begin(app: &App, image: &Image) -> Done<Measure<Examiner>> {
    let algorithm = algorithm(app, image);
    let digest = measure::digest(&algorithm)
        .ok_or_else(|| Failure::Final(format!("The hash algorithm {algorithm:?} is not known.")))?;
    let (sent, stored) = (expected::of(image, EXPECTED_HASH)?, expected::of(image, EXPECTED_STORED_HASH)?);
    let examiner = Examiner::new(&[&sent, &stored], &algorithm)?;
    Ok(Measure::start(digest, examiner).map_err(|e| Error::internal("measuring", e))?)
}

impl Facts {
    /// Ends the measuring and judges.
    ///
    /// # Errors
    /// [`Failure::Again`] when measuring failed.
    pub async fn conclude(app: &App, image: &Image, measure: Measure<Examiner>) -> Done<Self> {
        let measured = measure.finish().await.map_err(|e| Error::internal("measuring", e))?;
        Self::of(app, image, measured)
    }

    fn of(app: &App, image: &Image, measured: Measurement<Examiner>) -> Done<Self> {
        let (size, examined) = Examiner::finish(measured, &algorithm(app, image))?;
        let inspection = examined.inspector.finish();
        let (virtual_size, rejection) = match upload::judge(app, image, &inspection) {
            Ok(virtual_size) => (virtual_size, None),
            Err(rejection) => (None, Some(rejection.to_string())),
        };
        let detected = inspection.format_name().map(str::to_owned);
        Ok(Self { size, hashes: examined.hashes, detected, virtual_size, rejection })
    }

    /// Holds the bytes as they came against what their owner expects.
    ///
    /// # Errors
    /// [`Failure::Final`]
    pub fn check_source(&self, image: &Image) -> Done<()> {
        Ok(expected::check(EXPECTED_HASH, &expected::of(image, EXPECTED_HASH)?, &self.hashes)?)
    }

    /// Holds the bytes that will be kept against what their owner expects and declared.
    ///
    /// # Errors
    /// [`Failure::Final`]
    pub fn check_stored(&self, image: &Image) -> Done<()> {
        if let Some(rejection) = &self.rejection {
            return Err(Failure::Final(format!("The data was refused: {rejection}.")));
        }
        Ok(expected::check(EXPECTED_STORED_HASH, &expected::of(image, EXPECTED_STORED_HASH)?, &self.hashes)?)
    }
}
