//! HTTP: requests become calls of the domain, answers become responses. The only room that knows actix-web.

pub mod identity;
