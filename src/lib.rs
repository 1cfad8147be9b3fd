//! Vitrine: an image service that speaks the OpenStack Glance v2 API.
//!
//! Rooms, and the one direction in which imports point:
//! `cli -> server -> {api, jobs} -> domain -> {policy, identity, store, format, db} -> model`.

pub mod config;
pub mod model;
