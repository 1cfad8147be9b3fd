//! The results of an import's steps, as the job's row keeps them.

use serde::{Deserialize, Serialize};

use crate::{
    blob::facts::Facts,
    model::{blob::Blob, image::Image},
    work::{Done, Work, fault::Fault, seal::Sealed},
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

/// A disk in an archive: a range of its bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Inside {
    /// Where its bytes begin.
    pub offset: u64,
    /// How many there are.
    pub size: u64,
    /// What they are.
    pub format: String,
    /// GiB of the disk, if the descriptor says it.
    pub min_disk: Option<i64>,
}

/// A disk, and the image that it becomes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Part {
    /// The image's id.
    pub id: String,
    /// Where the disk is in the archive.
    pub inside: Inside,
}

/// An archive that is taken apart.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Apart {
    /// The archive.
    pub archive: Staged,
    /// Its disks, in the order of the bundle.
    pub parts: Vec<Part>,
    /// How many of them are stored.
    pub stored: usize,
    /// How many plug-ins the archive has gone through; each disk goes through the others.
    pub plugins_done: usize,
}

impl Apart {
    /// Plans images for the disks of an archive.
    pub fn of(archive: Staged, disks: Vec<Inside>, plugins_done: usize) -> Self {
        let part = |inside| Part { id: uuid::Uuid::new_v4().to_string(), inside };
        Self { archive, parts: disks.into_iter().map(part).collect(), stored: 0, plugins_done }
    }
}

/// The source of the data and the token for it. Kept until the job ends, and never shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Remote {
    /// Base URL of the other image service.
    pub endpoint: String,
    /// The caller's token.
    pub token: Sealed,
}

/// The certificate for the signature of the data, as the requester's token gave it. Certificates are public.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Signer {
    /// Its id, as the image said it then.
    pub id: String,
    /// DER in base64, or why it could not be had.
    pub certificate: Result<String, String>,
}

/// The finished steps. Every member may be missing: the first state of a job is written by its requester.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Roles of the requester, for the injection of metadata.
    pub roles: Vec<String>,
    /// The current data, if it is staged.
    pub staged: Option<Staged>,
    /// The data that a client staged; kept until the end, so that the import can be repeated.
    pub original: Option<Staged>,
    /// The properties of the staged data, once inspected.
    pub facts: Option<Facts>,
    /// A plug-in has changed the bytes.
    pub changed: bool,
    /// Plug-ins done.
    pub plugins_done: usize,
    /// The data is what the stores get.
    pub prepared: bool,
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
    /// The certificate, if the image is signed.
    pub signer: Option<Signer>,
    /// The signature was verified, before a conversion for the stores.
    pub verified: bool,
    /// The disks of the archive that become images of their own.
    pub apart: Option<Apart>,
    /// The upload in parts whose pieces are the data.
    pub upload: Option<String>,
    /// What is expected of these, as `expected_hash` says it.
    pub expected: Option<String>,
    /// They are staged for an import, and nothing else.
    pub stages: bool,
    /// What was wrong with what was given, when that is why it has failed.
    pub fault: Option<Fault>,
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
