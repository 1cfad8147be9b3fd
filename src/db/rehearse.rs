//! Changes that are tried and taken back.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Conn, Db, DbError, DbResult};
use crate::model::error::Error;

impl Db {
    /// As [`Db::write`]; with `dry_run` all of it is taken back, after it has answered what it would have answered.
    ///
    /// # Errors
    /// What the closure answers, or [`DbError::Unavailable`].
    pub async fn write_or_rehearse<T, F>(&self, name: &'static str, dry_run: bool, change: F) -> DbResult<T>
    where
        T: Send + 'static,
        F: Fn(&mut Conn) -> DbResult<T> + Send + 'static,
    {
        if !dry_run {
            return self.write(name, change).await;
        }
        let answer = Arc::new(Mutex::new(None));
        let kept = Arc::clone(&answer);
        let rehearsed = move |conn: &mut Conn| {
            let answered = change(conn)?;
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(answered);
            // Any refusal rolls the transaction back, and is not repeated.
            Err::<(), DbError>(Error::conflict("This was a rehearsal.").into())
        };
        let refused = self.write(name, rehearsed).await;
        let answered = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (answered, refused) {
            (Some(answered), _) => Ok(answered),
            (None, Err(error)) => Err(error),
            (None, Ok(())) => Err(DbError::Other("a rehearsal was played in earnest".to_owned())),
        }
    }
}
