//! `/v2/images` and below: one file for each thing that clients do.

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
