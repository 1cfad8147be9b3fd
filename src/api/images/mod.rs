//! `/v2/images` and below: one file for each operation.

pub mod actions;
pub mod create;
pub mod data;
pub mod delete;
mod file_body;
pub mod list;
pub mod locations;
pub mod members;
pub mod show;
pub mod tags;
pub mod update;
pub(in crate::api) mod view;

use crate::{
    api::State,
    model::{caller::Caller, image::Image},
};

/// The JSON of the images of a page, for benches.
///
/// # Errors
/// Only those of the writer of JSON.
pub fn rendered(state: &State, caller: &Caller, images: &[Image]) -> serde_json::Result<String> {
    serde_json::to_string(&images.iter().map(|image| view::image(state, caller, image)).collect::<Vec<_>>())
}
