//! `/v2/images` and below, file for file as in `src/api/images/`.

mod actions;
mod bounds;
mod create;
pub mod data;
mod delete;
mod encrypted;
mod events;
mod formats;
mod hashes;
mod interrupted;
mod list;
mod location_jobs;
mod location_patches;
mod locations;
mod members;
mod names;
mod plans;
pub mod quota;
mod sealed_locations;
mod sending;
mod show;
mod signature;
mod tags;
mod two_levels;
pub mod unified;
mod update;
