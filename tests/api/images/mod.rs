//! `/v2/images` and below, file for file as in `src/api/images/`.

mod actions;
mod create;
mod delete;
mod members;
mod show;
mod tags;
mod update;
