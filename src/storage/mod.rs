//! Storages: stores that administrators add, change and remove while the service runs, and the rules that say into which
//! store an image goes. Rows keep both; every node takes changes up within a second or two ([`refresh`]).

mod held;
pub mod manage;
pub mod refresh;
pub mod rules;

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::sync::Mutex;

use held::{Held, Openings};

use crate::{
    access::{self, targets::CallerTarget},
    image::Images,
    model::{
        caller::Caller,
        error::{Error, Result},
        storage::Storage,
    },
    store::{backend::Kind, given::Given, kinds, opening::Opener},
    work::seal::{Sealed, Seals},
};

/// The rule of those who look after stores.
const RULE: &str = "ext:stores_admin";
/// The types of storages. The others are for tests.
const KINDS: [&str; 5] = ["file", "http", "rbd", "s3", "swift"];

/// The handle of this room. Cheap to clone.
#[derive(Clone)]
pub struct Storages {
    /// The images, and the stores with them.
    pub images: Images,
    /// The keys that encrypt secret options.
    pub seals: Seals,
    /// How a storage is opened.
    pub opener: Opener,
    held: Arc<Mutex<Held>>,
    openings: Openings,
}

impl Storages {
    /// None yet: the first [`refresh::refresh`] finds them.
    pub fn new(images: Images, seals: Seals, opener: Opener) -> Self {
        Self { images, seals, opener, held: Arc::default(), openings: Openings::default() }
    }

    /// The options of a storage with the secret ones decrypted; the inner error is a sentence for the operator.
    async fn given(&self, storage: &Storage) -> Result<std::result::Result<Given, String>> {
        given(&self.seals, storage).await
    }

    /// The storage with these options, the secret ones encrypted.
    async fn sealed(&self, storage: Storage, given: &Given) -> Result<Storage> {
        let secrets = given.part(true);
        let sealed = match secrets.is_empty() {
            true => None,
            false => {
                let text = Value::Object(secrets).to_string();
                Some(self.seals.seal(&text, &purpose(&storage.id)).await?.text().to_owned())
            }
        };
        Ok(Storage { options: given.part(false), sealed, ..storage })
    }
}

/// The options of a storage with the secret ones decrypted; the inner error is a sentence for the operator.
async fn given(seals: &Seals, storage: &Storage) -> Result<std::result::Result<Given, String>> {
    let Some(kind) = kind_of(&storage.kind) else {
        return Ok(Err(format!("this version has no stores of the type {}", storage.kind)));
    };
    let secrets = match &storage.sealed {
        None => Map::new(),
        Some(text) => {
            let opened = seals.open(&Sealed::of_text(text), &purpose(&storage.id)).await?;
            match opened.and_then(|text| serde_json::from_str(&text).ok()) {
                Some(secrets) => secrets,
                None => return Ok(Err("its secret options cannot be decrypted; give them again".to_owned())),
            }
        }
    };
    Ok(Given::none(kind).with(&storage.options).and_then(|given| given.with(&secrets)))
}

/// A type of storages by its name.
fn kind_of(name: &str) -> Option<&'static Kind> {
    kinds::find(name).filter(|kind| KINDS.contains(&kind.name))
}

/// The purpose for which the secret options of a storage are encrypted.
fn purpose(id: &str) -> String {
    format!("storage {id}")
}

async fn enforce(images: &Images, caller: &Caller) -> Result<()> {
    match images.access.allowed(caller, RULE, &CallerTarget(caller)).await? {
        true => Ok(()),
        false => Err(access::refused(RULE)),
    }
}

/// Requires that stores have ids in the API.
fn several(images: &Images) -> Result<()> {
    if images.stores.multiple {
        return Ok(());
    }
    let text =
        "This service has a single store, which no request names. Set enabled_backends to have several.";
    Err(Error::conflict(text).because("single-store", Value::Object(Map::new())))
}
