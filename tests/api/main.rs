//! The API, tried as clients use it: real HTTP to a real server, each test on SQLite, PostgreSQL and MariaDB.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod api_ref;
mod cache;
mod database;
mod ephemeral;
mod extensions;
mod health;
mod hostile;
mod http;
mod images;
mod imports;
mod key_manager;
mod listeners;
mod metadefs;
mod metrics;
mod middleware;
mod nodes;
mod notices;
mod outage;
mod policy;
mod pool;
mod properties;
mod protections;
mod rbac;
mod schemas;
mod slow;
mod stores;
mod support;
mod tls;
mod versions;
