//! The API, tried as clients use it: real HTTP to a real server, each test on SQLite and on PostgreSQL.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod http;
mod images;
mod metadefs;
mod middleware;
mod policy;
mod properties;
mod protections;
mod rbac;
mod schemas;
mod support;
mod versions;
