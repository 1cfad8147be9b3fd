//! All outgoing network traffic: every request of this process to other servers goes through here.
//!
//! [`Client`] is for servers that the operator configured: time limits, TLS verification as its [`Settings`] say, a
//! proxy if there is one, metrics, and the id of the causing request if the server belongs to the same cloud.
//! [`Fetcher`] is for addresses that callers name; these are also filtered at every redirect. A [`Collector`] is sent the
//! spans of traces.

mod causes;
mod client;
mod collector;
mod fetch;
mod filter;
mod guard;
mod spans;
mod tls;

pub use client::{Answer, Client, OutboundError, Proxies, Settings};
pub use collector::{Collector, Sending};
pub use fetch::{Body, FetchError, Fetcher, Patience};
pub use filter::{Checked, Filter, Refusal, check};
pub use guard::{Guard, Resolve, System};
pub use reqwest::{Body as RequestBody, Method, Request, RequestBuilder, StatusCode, Url, header};
pub use tls::{Authorities, Certificate, Tls, Unusable};
