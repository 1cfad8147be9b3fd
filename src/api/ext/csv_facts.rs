//! What the table of images tells beside the images themselves: names of projects, and what the usage ledger says. Each is
//! asked for only where a column shows it.

use std::collections::{BTreeSet, HashMap};

use crate::{
    api::State,
    image::{downloads, query::ImagePage},
    model::{caller::Caller, error::Result, image::Image, time::Timestamp, visibility::is_confided},
    usage::Charges,
};

/// The name of the owning project.
pub const PROJECT: &str = "project_name";
/// When an image got its data first.
pub const ACTIVATED: &str = "activated_at";
/// When an image was last downloaded.
pub const DOWNLOADED: &str = "last_downloaded_at";
/// Gigabyte-months of this month so far.
pub const BILLING: &str = "billing_gb_month";

/// What is known of the images of a page.
#[derive(Default)]
pub struct Facts {
    projects: HashMap<String, String>,
    activations: HashMap<String, Timestamp>,
    downloads: HashMap<String, Timestamp>,
    charges: Option<Charges>,
}

impl Facts {
    /// Finds out what the columns show of the images of a page. Of others' images the name of the project and the last
    /// download are for administrators.
    ///
    /// # Errors
    /// Those of the database and of the policy.
    pub async fn of(
        state: &State,
        (caller, now): (&Caller, Timestamp),
        page: &ImagePage,
        columns: &[String],
    ) -> Result<Self> {
        let has = |name: &str| columns.iter().any(|column| column == name);
        let (usage, mut facts) = (&state.app.usage, Self::default());
        let ids = || page.images.iter().map(|image| image.id.clone()).collect();
        if has(PROJECT) {
            let owners = page.images.iter().filter(|image| is_confided(caller, image));
            let owners: BTreeSet<String> = owners.filter_map(|image| image.owner.clone()).collect();
            facts.projects = state.identity.project_names(owners.into_iter().collect()).await;
        }
        if has(ACTIVATED) {
            facts.activations = usage.activations(ids()).await?;
        }
        if has(DOWNLOADED) {
            let told = page.images.iter().filter(|image| is_confided(caller, image));
            facts.downloads =
                downloads::last(&state.app.db, told.map(|image| image.id.clone()).collect()).await?;
        }
        if has(BILLING) {
            facts.charges = usage.charges(caller, ids(), now).await?;
        }
        Ok(facts)
    }

    /// What is known of an image in a column; `None` is a column that is not one of these.
    pub fn cell(&self, image: &Image, column: &str) -> Option<String> {
        let known = match column {
            PROJECT => image.owner.as_ref().and_then(|owner| self.projects.get(owner)).cloned(),
            ACTIVATED => self.activations.get(&image.id).map(|time| time.isotime()),
            DOWNLOADED => self.downloads.get(&image.id).map(|time| time.isotime()),
            BILLING => self.charges.as_ref().and_then(|charges| charges.of(image)),
            _ => return None,
        };
        Some(known.unwrap_or_default())
    }
}
