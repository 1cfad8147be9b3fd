//! The image of a trial upload, for as long as it has to be deleted.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::finding::Finding;
use crate::outbound::{Client, Method, header::HeaderValue};

/// How long each try to delete it may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Tries, and the pause between two: an upload that was cut off may not have ended yet.
const TRIES: usize = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// The image that is there, if one is.
#[derive(Default)]
pub struct Left(Mutex<Option<Image>>);

/// An image, and the way to delete it.
#[derive(Clone)]
pub struct Image {
    /// The client.
    pub client: Client,
    /// Where the service is.
    pub base: String,
    /// The token.
    pub token: HeaderValue,
    /// Its id.
    pub id: String,
}

impl Left {
    /// There is going to be one. This comes before it is created, since nothing can be noted afterwards by one who was
    /// interrupted meanwhile.
    pub fn note(&self, image: Image) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(image);
    }

    /// None was created.
    pub fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Deletes it, from the trash too; a finding says that it is still there.
    pub async fn remove(&self) -> Option<Finding> {
        let image = self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let mut why = String::new();
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            match image.delete(&format!("/v2/images/{}", image.id)).await {
                Ok(204) => return image.leave_trash().await,
                Ok(404) => return None,
                Ok(status) => why = format!("the answer was {status}"),
                Err(error) => why = error,
            }
        }
        Some(Finding::warning(
            "image-left",
            format!("the image of the trial upload could not be deleted: {why}"),
            format!("openstack image delete {}", image.id),
        ))
    }
}

impl Image {
    async fn delete(&self, path: &str) -> Result<u16, String> {
        let request = self.client.request(Method::DELETE, format!("{}{path}", self.base));
        let call = self.client.send(request.header("X-Auth-Token", &self.token));
        match tokio::time::timeout(PATIENCE, call).await {
            Ok(Ok(answer)) => Ok(answer.status().as_u16()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        }
    }

    async fn leave_trash(&self) -> Option<Finding> {
        match self.delete(&format!("/ext/v1/trash/{}", self.id)).await {
            // 404 is a service without a trash, too.
            Ok(204 | 404) => None,
            _ => Some(Finding::note(
                "image-in-trash",
                format!("the image of the trial upload, {}, is in the trash", self.id),
                "It goes by itself after [vitrine] trash_days; an administrator can delete it there.",
            )),
        }
    }
}
