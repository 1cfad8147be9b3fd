//! The one way out to the network: everything that this process asks of other servers goes through here.
//!
//! [`Client`] is for servers that the operator configured: bounded in time, verified by TLS as its [`Settings`] say, by
//! way of a proxy where there is one, counted, and with the id of the causing request where the other side is of the
//! same cloud. [`Fetcher`] is for addresses that a caller names: those are filtered besides, at every hop.

mod causes;
mod client;
mod fetch;
mod filter;
mod guard;
mod tls;

pub use client::{Answer, Client, OutboundError, Proxies, Settings};
pub use fetch::{Body, FetchError, Fetcher, Patience};
pub use filter::{Checked, Filter, Refusal, check};
pub use guard::{Guard, Resolve, System};
pub use reqwest::{Body as RequestBody, Method, Request, RequestBuilder, StatusCode, Url, header};
pub use tls::{Authorities, Certificate, Tls, Unusable};
