//! What is being charged at the moment.

use std::collections::BTreeMap;

use super::Usage;
use crate::{
    db::usage_report::Wanted,
    model::{
        caller::Caller,
        error::Result,
        usage::meter::{Rounding, Rules, Span},
    },
};

/// What a project is charged for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Present {
    /// Images, or their replicas where those count.
    pub count: u64,
    /// Bytes.
    pub bytes: i128,
}

impl Usage {
    /// The current charges of each project that the caller may see.
    ///
    /// # Errors
    /// [`Error::Forbidden`](crate::model::error::Error::Forbidden) without the right.
    pub async fn present(
        &self,
        caller: &Caller,
        project: Option<String>,
    ) -> Result<BTreeMap<Option<String>, Present>> {
        let project = self.scope(caller, project).await?;
        let _place = self.place().await?;
        let now = self.db.clock.now();
        // What is open now is what is open a moment longer.
        let later = now.plus_seconds(1);
        let rules = Rules { rounding: Rounding::Exact, ..self.settings.rules };
        let wanted = Wanted { project, ..Wanted::default() };
        let mut projects: BTreeMap<Option<String>, Present> = BTreeMap::new();
        self.walk(&wanted, (rules, Span { from: now, to: later }, later), |share| {
            if share.interval.to.is_none() {
                let of = projects.entry(share.interval.metered.facts.project.clone()).or_default();
                of.count = of.count.saturating_add(1);
                of.bytes = of.bytes.saturating_add(share.bytes);
            }
            Ok(())
        })
        .await?;
        Ok(projects)
    }
}
