//! Traces, where the operator wants them.

use std::time::Duration;

use super::error::StartError;
use crate::{
    outbound::{Collector, Sending},
    telemetry::trace::{Settings, Tracer, Waiting},
};

/// How long the last spans may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What takes spans, and what sends them once the server runs.
#[derive(Default)]
pub struct Traces {
    /// What takes them.
    pub tracer: Option<Tracer>,
    outlet: Option<(Collector, Waiting)>,
}

impl Traces {
    /// Those of these settings; none without any.
    ///
    /// # Errors
    /// [`StartError`] when a setting is of no use.
    pub fn open(settings: Option<&Settings>, instance: &str) -> Result<Self, StartError> {
        let Some(settings) = settings else { return Ok(Self::default()) };
        let collector = Collector::new(settings, instance)
            .map_err(|(option, why)| StartError(format!("[vitrine] {option}: {why}")))?;
        let (tracer, waiting) = Tracer::new(settings);
        Ok(Self { tracer: Some(tracer), outlet: Some((collector, waiting)) })
    }

    /// Sends spans from now on.
    pub fn start(self) -> Ending {
        Ending(self.outlet.map(|(collector, waiting)| collector.start(waiting)))
    }
}

/// What is left to do about traces when the server ends.
pub struct Ending(Option<Sending>);

impl Ending {
    /// Sends the last spans, for a short time.
    pub async fn finish(self) {
        if let Some(sending) = self.0 {
            sending.finish(PATIENCE).await;
        }
    }
}
