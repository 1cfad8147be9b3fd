//! `vitrine health`: whether a server answers, for containers and supervisors that have no other program to ask with.

use std::time::Duration;

use crate::{
    outbound::{Client, Method, Proxies, Settings},
    server::{StartError, runtime},
};

/// Arguments of `vitrine health`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// What to ask.
    #[arg(default_value = "http://127.0.0.1:9292/healthcheck")]
    url: String,
    /// Seconds that the server may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    timeout: u64,
}

/// Asks once.
///
/// # Errors
/// [`StartError`] when the answer is not 200, or there is none.
pub fn run(arguments: &Arguments) -> Result<(), StartError> {
    let patience = Some(Duration::from_secs(arguments.timeout));
    let settings = Settings { total: patience, proxies: Proxies::Nothing, ..Settings::new("tool") };
    let client = Client::new(&settings).map_err(StartError)?;
    let failed = |e: &dyn std::fmt::Display| StartError(format!("{}: {e}", arguments.url));
    let request = client.request(Method::GET, arguments.url.as_str()).build().map_err(|e| failed(&e))?;
    let answer = runtime()?.block_on(client.execute(request)).map_err(|e| failed(&e))?;
    match answer.status().as_u16() {
        200 => Ok(()),
        other => Err(failed(&format!("the server answered {other}"))),
    }
}
