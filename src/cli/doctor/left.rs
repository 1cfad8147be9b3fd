//! The image of a trial upload, for as long as it has to be deleted.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
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
pub struct Left(Mutex<Option<Held>>);

/// An image that has to be deleted, and whether the service has answered that it is there.
#[derive(Clone)]
struct Held {
    image: Image,
    answered: bool,
}

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
        *self.held() = Some(Held { image, answered: false });
    }

    /// The service has answered the request that creates it: from now on it is gone if it is not found.
    pub fn answered(&self) {
        if let Some(held) = self.held().as_mut() {
            held.answered = true;
        }
    }

    /// None was created, or it is gone.
    pub fn forget(&self) {
        *self.held() = None;
    }

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Deletes it, from the trash too; a finding says that it is still there. Who is interrupted in that may begin again.
    pub async fn remove(&self) -> Option<Finding> {
        let Held { image, answered } = self.held().clone()?;
        let mut why = None;
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            match image.delete(&format!("/v2/images/{}", image.id)).await {
                Ok(204) => {
                    let finding = image.leave_trash().await;
                    self.forget();
                    return finding;
                }
                Ok(404) if answered => {
                    // An earlier try may have come as far as that.
                    drop(image.leave_trash().await);
                    self.forget();
                    return None;
                }
                // The request that creates it may still be under way.
                Ok(404) => why = None,
                Ok(status) => why = Some(format!("the answer was {status}")),
                Err(error) => why = Some(error),
            }
        }
        let Some(why) = why else {
            self.forget();
            return None;
        };
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        sync::mpsc,
    };

    use super::*;
    use crate::outbound::{Proxies, Settings};

    /// A service that gives these answers in turn, `None` for none; it tells of each request's path.
    async fn service(answers: Vec<Option<u16>>) -> (String, mpsc::UnboundedReceiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (tell, told) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut kept = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") {
                    stream.read_exact(&mut byte).await.unwrap();
                    head.extend(byte);
                }
                let head = String::from_utf8(head).unwrap();
                tell.send(head.split(' ').nth(1).unwrap().to_owned()).unwrap();
                if let Some(status) = answer {
                    let answer =
                        format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
                    // No answer with 204 has a length.
                    let answer =
                        if status == 204 { answer.replace("Content-Length: 0\r\n", "") } else { answer };
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
                // It is not closed where there is to be no answer.
                if answer.is_none() {
                    kept.push(stream);
                }
            }
        });
        (base, told)
    }

    fn held(base: &str, answered: bool) -> Arc<Left> {
        let left = Left::default();
        let settings = Settings { proxies: Proxies::Nothing, ..Settings::new("tool") };
        left.note(Image {
            client: Client::new(&settings).unwrap(),
            base: base.to_owned(),
            token: HeaderValue::from_static("t"),
            id: "i".to_owned(),
        });
        if answered {
            left.answered();
        }
        Arc::new(left)
    }

    const IMAGE: &str = "/v2/images/i";
    const TRASH: &str = "/ext/v1/trash/i";

    /// Proves that an interruption in the middle of the deletion does not have the image forgotten.
    #[tokio::test]
    async fn an_interrupted_deletion_begins_again() {
        let (base, mut told) = service(vec![None, Some(204), Some(404)]).await;
        let left = held(&base, true);
        tokio::select! {
            biased;
            _ = left.remove() => unreachable!("it was not answered"),
            path = told.recv() => assert_eq!(path.unwrap(), IMAGE),
        }
        assert_eq!(left.remove().await, None);
        assert_eq!(
            (told.recv().await.unwrap(), told.recv().await.unwrap()),
            (IMAGE.to_owned(), TRASH.to_owned())
        );
        // It is gone: nobody is asked any more.
        assert_eq!(left.remove().await, None);
        assert_eq!(told.recv().await, None);
    }

    /// Proves that an image which is not there yet is looked for again unless the service has said that it is.
    #[tokio::test]
    async fn what_is_still_being_created_is_waited_for() {
        let (base, mut told) = service(vec![Some(404), Some(204), Some(404)]).await;
        assert_eq!(held(&base, false).remove().await, None);
        for path in [IMAGE, IMAGE, TRASH] {
            assert_eq!(told.recv().await.unwrap(), path);
        }
        let (base, mut told) = service(vec![Some(404), Some(404)]).await;
        assert_eq!(held(&base, true).remove().await, None);
        for path in [IMAGE, TRASH] {
            assert_eq!(told.recv().await.unwrap(), path);
        }
    }

    /// Proves that what could not be deleted is told, and tried again when that is asked for.
    #[tokio::test]
    async fn what_is_left_is_told() {
        let (base, _told) = service(vec![Some(500), Some(500), Some(403), Some(204), Some(204)]).await;
        let left = held(&base, true);
        let finding = left.remove().await.unwrap();
        assert!(finding.id == "image-left" && finding.what.ends_with("the answer was 403"), "{finding:?}");
        assert_eq!(left.remove().await, None);
    }
}
