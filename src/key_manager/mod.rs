//! The key manager, which is a Barbican: certificates and keys that users keep there. They are fetched and deleted with
//! the user's own token, as castellan does for Glance (`castellan/key_manager/barbican_key_manager.py`); nothing of a
//! secret is kept here but certificates, which are public.

mod barbican;
mod catalog;
mod settings;

use std::sync::Arc;

use barbican::Barbican;

pub use barbican::{Consumer, KeyError};
pub use settings::{Interface, Settings, SettingsError};

use crate::model::caller::Token;

/// The key manager, if there is one. Cheap to clone.
#[derive(Clone, Default)]
pub struct KeyManager(Option<Arc<Barbican>>);

impl KeyManager {
    /// Opens it; without settings there is none, and every call fails. Connects to nothing.
    ///
    /// # Errors
    /// An option is of no use.
    pub fn open(settings: Option<Settings>) -> Result<Self, SettingsError> {
        Ok(Self(settings.map(|settings| Barbican::new(settings).map(Arc::new)).transpose()?))
    }

    fn barbican(&self) -> Result<&Barbican, KeyError> {
        self.0.as_deref().ok_or(KeyError::Unconfigured)
    }

    /// The certificate that a caller keeps under this id, in DER. Only secrets of type `certificate` are read.
    ///
    /// # Errors
    /// [`KeyError`]
    pub async fn certificate(&self, token: Option<&Token>, id: &str) -> Result<Vec<u8>, KeyError> {
        self.barbican()?.certificate(token, id).await
    }

    /// Deletes a secret of a caller, unless others have registered that they use it.
    ///
    /// # Errors
    /// [`KeyError`]
    pub async fn delete(&self, token: Option<&Token>, id: &str) -> Result<(), KeyError> {
        self.barbican()?.delete(token, id).await
    }

    /// Registers who uses a secret of a caller; doing so twice changes nothing.
    ///
    /// # Errors
    /// [`KeyError`]
    pub async fn add_consumer(
        &self,
        token: Option<&Token>,
        id: &str,
        consumer: Consumer<'_>,
    ) -> Result<(), KeyError> {
        self.barbican()?.add_consumer(token, id, consumer).await
    }

    /// Takes back that registration.
    ///
    /// # Errors
    /// [`KeyError`]; [`KeyError::NotFound`] also when there is none.
    pub async fn remove_consumer(
        &self,
        token: Option<&Token>,
        id: &str,
        consumer: Consumer<'_>,
    ) -> Result<(), KeyError> {
        self.barbican()?.remove_consumer(token, id, consumer).await
    }
}
