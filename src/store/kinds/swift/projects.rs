//! Images in the accounts of their projects, each in its own container (`glance_store/_drivers/swift/store.py:
//! MultiTenantStore`).
//!
//! They are written with the caller's token. Jobs, downloads and the reaper have no caller: they use the service
//! account, which must be a Swift reseller administrator.

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream;

use super::{
    address::Place,
    fault::Fault,
    line::{Ask, Keys, Line},
    login::Session,
    options::Projects,
    reading,
    shop::{Shop, check_name, look, no_length},
    trust::Trust,
    writer::SwiftWriter,
};
use crate::{
    outbound::{Method, StatusCode},
    store::{
        About, Addresses, Backend, ByteRange, ByteStream, ListStream, LocalFile, NewBlob, Quarantine,
        Readers, StoreError, StoreErrorKind, StoreResult, StoreUrl, Writer, Yard, addresses::name_in_account,
        backend::Room,
    },
};

/// Containers in the accounts of projects.
pub(super) struct ProjectsStore {
    /// As it is without projects: in the account of the service.
    shop: Arc<Shop>,
    about: About,
    settings: Projects,
}

/// Where a blob is: the end of its URL, behind the prefix of the account.
struct Spot<'a> {
    project: &'a str,
    container: &'a str,
    object: &'a str,
}

impl<'a> Spot<'a> {
    /// By the name of a blob.
    fn of(name: &'a str) -> StoreResult<Self> {
        let mut steps = name.split('/');
        match (steps.next(), steps.next(), steps.next(), steps.next()) {
            (Some(project), Some(container), Some(object), None)
                if !project.is_empty() && !container.is_empty() =>
            {
                check_name(object)?;
                Ok(Self { project, container, object })
            }
            _ => {
                let why = "an image without a project has no account to be kept in";
                Err(StoreError::new(StoreErrorKind::Unsupported, name, why))
            }
        }
    }
}

impl ProjectsStore {
    pub(super) fn new(shop: &Arc<Shop>, about: About, settings: &Projects) -> Self {
        // Of the containers of all projects there is no list, and none that is the service's own.
        let mut about = about;
        about.capabilities.quarantine = Quarantine::Nothing;
        Self { shop: Arc::clone(shop), about, settings: settings.clone() }
    }

    fn line(&self) -> &Line {
        &self.shop.line
    }

    /// The container of a blob, by these keys.
    async fn shop(&self, spot: &Spot<'_>, keys: Keys) -> Result<Arc<Shop>, Fault> {
        let line = self.line().to(spot.project, keys);
        let storage = line.storage().await?;
        Ok(Arc::new(self.shop.moved_to(line, storage, spot.container)))
    }

    /// The same, as the account of the service.
    async fn opened(&self, name: &str) -> StoreResult<(Arc<Shop>, String)> {
        let spot = Spot::of(name)?;
        let shop = self.shop(&spot, self.line().keys().clone()).await.map_err(|fault| fault.at(name))?;
        Ok((shop, spot.object.to_owned()))
    }

    /// What is at a URL: only of an address that the catalogue has, since the service shows its token there.
    async fn at(&self, url: &StoreUrl) -> StoreResult<(Arc<Shop>, Place)> {
        let bad = |why: &'static str| StoreError::new(StoreErrorKind::BadUrl, url.to_string(), why);
        let name = name_in_account(url.full(), &self.prefix());
        let name = name.ok_or_else(|| bad("not a URL of an image in an account"))?;
        let (shop, _) = self.opened(name).await?;
        let spot = Spot::of(name)?;
        let written = shop.url(spot.container, spot.object);
        if url.full().replacen("swift://", "swift+https://", 1) != written.full() {
            return Err(bad("it is not at the address that the catalogue has"));
        }
        let [container, object] = [spot.container, spot.object].map(str::to_owned);
        Ok((shop, Place { account: String::new(), container, object }))
    }

    /// What the names of containers begin with.
    fn prefix(&self) -> String {
        format!("{}_", self.shop.containers.name)
    }

    /// In whose name a blob is written: in that of the caller, if the image belongs to the caller's project.
    async fn keys_of(&self, blob: &NewBlob<'_>, project: &str) -> Result<(Keys, Option<Trust>), Fault> {
        let keys = self.line().keys();
        let Keys::Login(login) = keys else { return Ok((keys.clone(), None)) };
        let caller = blob.caller.filter(|caller| caller.project_id.as_deref() == Some(project));
        let Some(token) = caller.and_then(|caller| caller.token.as_ref()) else {
            return Ok((keys.clone(), None));
        };
        let storage = login.session(None).await?.storage_of(project)?;
        let session = Arc::new(Session::of_token(token.reveal(), storage, project)?);
        let is_long = blob.size.is_none_or(|size| size >= self.shop.large);
        if self.settings.trusts && is_long && login.can_be_trusted() {
            match Trust::make(login, &session).await {
                Ok(trust) => return Ok((trust.keys(), Some(trust))),
                // As in Glance: the token has to last.
                Err(fault) => tracing::warn!(%fault, "an upload has no trust and may outlive its token"),
            }
        }
        Ok((Keys::Token(session), None))
    }
}

/// Writes an object into the account of a project.
struct ProjectWriter {
    inner: SwiftWriter,
    /// Up to the object.
    place: String,
    /// Ended when there is nothing more to do.
    _trust: Option<Trust>,
}

#[async_trait]
impl Writer for ProjectWriter {
    async fn write(&mut self, chunk: bytes::Bytes) -> StoreResult<()> {
        self.inner.write(chunk).await
    }

    async fn sync(&mut self) -> StoreResult<()> {
        self.inner.sync().await
    }

    async fn commit(&mut self, name: &str) -> StoreResult<StoreUrl> {
        let elsewhere = || StoreError::new(StoreErrorKind::BadUrl, name, "it was begun in another container");
        let object = name.strip_prefix(&self.place).ok_or_else(elsewhere)?;
        self.inner.commit(object).await
    }

    async fn cancel(self: Box<Self>) -> StoreResult<()> {
        Box::new(self.inner).cancel().await
    }
}

#[async_trait]
impl Backend for ProjectsStore {
    fn about(&self) -> About {
        About { addresses: Addresses::Accounts { containers: self.prefix() }, ..self.about.clone() }
    }

    async fn read(&self, url: &StoreUrl, range: Option<ByteRange>) -> StoreResult<ByteStream> {
        let (shop, place) = self.at(url).await?;
        reading::open(&shop, &place, url.to_string(), range).await
    }

    async fn file(&self, _: &StoreUrl) -> StoreResult<Option<LocalFile>> {
        Ok(None)
    }

    async fn writer(&self, blob: &NewBlob<'_>) -> StoreResult<Box<dyn Writer>> {
        check_name(blob.id)?;
        let spot = Spot::of(blob.name)?;
        let failed = |fault: Fault| fault.at(blob.name);
        let (keys, trust) = self.keys_of(blob, spot.project).await.map_err(failed)?;
        let shop = self.shop(&spot, keys).await.map_err(failed)?;
        shop.have_container(spot.container).await?;
        let inner = SwiftWriter::new(&shop, &NewBlob { name: spot.object, ..*blob });
        let place = format!("{}/{}/", spot.project, spot.container);
        Ok(Box::new(ProjectWriter { inner, place, _trust: trust }))
    }

    async fn share(&self, _: &StoreUrl, _: &NewBlob<'_>) -> StoreResult<Option<StoreUrl>> {
        Ok(None)
    }

    async fn stat(&self, url: &StoreUrl) -> StoreResult<u64> {
        let (shop, place) = self.at(url).await?;
        let found = look(&shop.line, &place.container, &place.object).await;
        let found = found.map_err(|fault| fault.at(url.to_string()))?;
        let absent = || StoreError::new(StoreErrorKind::NotFound, url.to_string(), "there is no such object");
        found.ok_or_else(absent)?.size.ok_or_else(|| no_length().at(url.to_string()))
    }

    async fn delete(&self, blob_id: &str, name: &str) -> StoreResult<()> {
        check_name(blob_id)?;
        let (shop, object) = self.opened(name).await?;
        shop.delete(blob_id, &object).await?;
        let container = &shop.containers.name;
        match shop.line.call(&Ask::of(Method::DELETE, container, None)).await {
            Ok(_) => Ok(()),
            Err(fault) if fault.is_absence() => Ok(()),
            // There is something else of the image.
            Err(Fault::Refused(StatusCode::CONFLICT)) => Ok(()),
            Err(fault) => Err(fault.at(name)),
        }
    }

    async fn holds(&self, name: &str) -> StoreResult<bool> {
        let (shop, object) = match name.contains('/') {
            true => self.opened(name).await?,
            // No image's; the account of the service tells as well whether the store answers.
            false => (Arc::clone(&self.shop), name.to_owned()),
        };
        match shop.look(&shop.containers.name, &object).await {
            // Ceph makes an account when its project first comes by itself; whoever writes looks again.
            Err(error) if error.kind == StoreErrorKind::Denied => Ok(false),
            found => Ok(found?.is_some()),
        }
    }

    async fn room(&self) -> StoreResult<Option<Room>> {
        Ok(None)
    }

    async fn in_use(&self, _: &str) -> StoreResult<bool> {
        Ok(false)
    }

    async fn admit(&self, name: &str, readers: &Readers) -> StoreResult<()> {
        let (shop, _) = self.opened(name).await?;
        let all = |projects: &[String]| {
            projects.iter().map(|project| format!("{project}:*")).collect::<Vec<_>>().join(",")
        };
        let read = match readers {
            Readers::Everybody => "*:*".to_owned(),
            Readers::Projects(projects) => all(projects),
        };
        let ask = Ask::of(Method::POST, &shop.containers.name, None).header("X-Container-Read", read);
        let ask = ask.header("X-Container-Write", all(&self.settings.admins));
        shop.line.call(&ask).await.map(|_| ()).map_err(|fault| fault.at(name))
    }

    fn list(&self) -> ListStream {
        let why = "the accounts of all projects cannot be listed";
        let error = StoreError::new(StoreErrorKind::Unsupported, "accounts of projects", why);
        Box::pin(stream::once(std::future::ready(Err(error))))
    }

    fn yard(&self) -> Option<&dyn Yard> {
        None
    }
}
