//! The results of an import's steps, as the job's row keeps them.

use serde::{Deserialize, Serialize};

use crate::{
    blob::facts::Facts,
    model::{blob::Blob, image::Image},
    work::{Done, Work, seal::Sealed},
};

/// Data in a staging folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staged {
    /// Row in the ledger; also the name of the file.
    pub blob: String,
    /// The folder, as the ledger names it.
    pub store: String,
    /// Bytes.
    pub size: u64,
}

/// Where the data is, and by whose leave. Kept with the job until it is over, and shown to nobody.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Remote {
    /// Base URL of the other image service.
    pub endpoint: String,
    /// The caller's token.
    pub token: Sealed,
}

/// The steps done so far. Every member may be missing: the first state of a job is written by whoever asks for it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Roles of the one who asked, for the injection of metadata.
    pub roles: Vec<String>,
    /// The data as it is now, when it is staged.
    pub staged: Option<Staged>,
    /// The data as a client staged it; kept until the end, so that the import can be asked for again.
    pub original: Option<Staged>,
    /// What the staged data is, once it was looked at.
    pub facts: Option<Facts>,
    /// A plug-in has changed the bytes.
    pub changed: bool,
    /// Plug-ins done.
    pub plugins_done: usize,
    /// The formats of the image once it is active, when a conversion changes them: disk and container.
    pub formats: Option<(String, String)>,
    /// Properties that the image gets with its data.
    pub properties: Vec<(String, String)>,
    /// GiB of disk that the image needs, unless its owner has said that.
    pub min_disk: Option<i64>,
    /// MiB of memory, likewise.
    pub min_ram: Option<i64>,
    /// The other image service of `glance-download`.
    pub remote: Option<Remote>,
    /// It was given up because of what was given.
    pub refused: bool,
    /// Everything is done.
    pub done: bool,
}

impl State {
    /// Begins with data that a client staged.
    pub fn start_from(&mut self, blob: &Blob) {
        let staged = Staged {
            size: blob.size.and_then(|s| u64::try_from(s).ok()).unwrap_or(0),
            store: blob.store.clone(),
            blob: blob.id.clone(),
        };
        self.original = Some(staged.clone());
        self.staged = Some(staged);
    }

    /// The image with what the plug-ins change about it.
    pub fn apply(&self, image: &mut Image) {
        if let Some((disk, container)) = &self.formats {
            image.disk_format = Some(disk.clone());
            image.container_format = Some(container.clone());
        }
        let unless_said = |said: i64, found: Option<i64>| if said == 0 { found.unwrap_or(0) } else { said };
        image.min_disk = unless_said(image.min_disk, self.min_disk);
        image.min_ram = unless_said(image.min_ram, self.min_ram);
        for (name, value) in &self.properties {
            image.set_property(name, Some(value.clone()));
        }
    }

    /// Writes it down.
    ///
    /// # Errors
    /// [`crate::work::Failure::Lost`] when the job is another node's now.
    pub async fn save(&self, work: &Work, message: &str) -> Done<()> {
        work.save_state(self, message).await
    }
}
