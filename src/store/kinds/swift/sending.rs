//! Sends one segment to Swift while its data arrives.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::stream;
use tokio::{
    sync::mpsc::{self, Sender, error::SendError},
    time::timeout,
};

use super::{
    fault::Fault,
    line::{Ask, Line, Reply},
    login::Session,
};
use crate::telemetry::{self, Spawned};

/// Pieces that are between the sender and the connection at most.
const QUEUE: usize = 4;

/// What goes to the connection.
enum Piece {
    Bytes(Bytes),
    /// Without it the connection is broken off, so that Swift never takes a half for the whole.
    End,
}

/// How a request ended; if badly, with the session that was used.
type Outcome = Result<Reply, (Fault, Option<Arc<Session>>)>;

/// A request with a body that is still growing. Dropped, it is broken off.
pub(super) struct Sending {
    feed: Sender<Piece>,
    task: Spawned<Outcome>,
    stall: Duration,
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Sending {
    /// Begins, with a body of `length` bytes if that is known. `rejected` is a session that is not accepted any more.
    pub(super) fn begin(line: &Line, ask: Ask, length: Option<u64>, rejected: Option<Arc<Session>>) -> Self {
        let (feed, queue) = mpsc::channel(QUEUE);
        let body = stream::unfold(Some(queue), |queue: Option<mpsc::Receiver<Piece>>| async {
            let mut queue = queue?;
            match queue.recv().await {
                Some(Piece::Bytes(bytes)) => Some((Ok(bytes), Some(queue))),
                Some(Piece::End) => None,
                None => Some((Err(io::Error::other("the upload was given up")), None)),
            }
        });
        let (line, stall) = (line.clone(), line.patience.total);
        let task = telemetry::spawn(async move { line.stream(ask, length, body, rejected).await });
        Self { feed, task, stall }
    }

    /// Hands a piece on; waits while the connection is slower.
    pub(super) async fn feed(&mut self, piece: Bytes) -> Result<(), (Fault, Option<Arc<Session>>)> {
        let sent = timeout(self.stall, self.feed.send(Piece::Bytes(piece))).await;
        self.taken(sent.ok()).await
    }

    /// Ends the body, and waits for the answer, which may have come by then where the length was known.
    pub(super) async fn finish(mut self) -> Outcome {
        if timeout(self.stall, self.feed.send(Piece::End)).await.is_err() {
            return Err((Fault::Silent(self.stall), None));
        }
        match timeout(self.stall, &mut self.task).await {
            Ok(done) => done.unwrap_or_else(|fault| Err((Fault::Broken(fault.to_string()), None))),
            Err(_) => Err((Fault::Silent(self.stall), None)),
        }
    }

    /// What it means that a piece was taken, or not: the request has ended before its body then, whatever its answer.
    async fn taken(
        &mut self,
        sent: Option<Result<(), SendError<Piece>>>,
    ) -> Result<(), (Fault, Option<Arc<Session>>)> {
        match sent {
            Some(Ok(())) => Ok(()),
            None => Err((Fault::Silent(self.stall), None)),
            Some(Err(_)) => match timeout(self.stall, &mut self.task).await {
                Ok(Ok(Err(fault))) => Err(fault),
                Ok(Ok(Ok(_))) => Err((Fault::Nonsense("Swift said yes to a half".to_owned()), None)),
                Ok(Err(fault)) => Err((Fault::Broken(fault.to_string()), None)),
                Err(_) => Err((Fault::Silent(self.stall), None)),
            },
        }
    }
}
