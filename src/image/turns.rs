//! Turns for changes of an image: a change that lost a race queues up with the others of this node, so that none
//! loses again and again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use tokio::sync::OwnedMutexGuard;

/// The lines that there are, by image. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Turns(Arc<Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>>);

/// The turn at an image, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    turns: Turns,
    id: String,
    held: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    fn book(&self) -> MutexGuard<'_, HashMap<String, Weak<tokio::sync::Mutex<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the turn at an image, behind those who came before.
    pub async fn take(&self, id: &str) -> Turn {
        let line = {
            let mut book = self.book();
            let known = book.get(id).and_then(Weak::upgrade);
            let line = known.unwrap_or_default();
            book.insert(id.to_owned(), Arc::downgrade(&line));
            line
        };
        // Whoever gives up waiting leaves the line without a turn.
        let mut turn = Turn { turns: self.clone(), id: id.to_owned(), held: None };
        turn.held = Some(line.lock_owned().await);
        turn
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        drop(self.held.take());
        let mut book = self.turns.book();
        if book.get(&self.id).is_some_and(|line| line.strong_count() == 0) {
            book.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use futures::FutureExt;

    use super::*;

    /// Proves that turns at one image come one after the other, in order, past whoever has given up; that other images are
    /// not concerned; and that nothing is kept of a line that nobody is in.
    #[test]
    fn turns_come_in_order() {
        let turns = Turns::default();
        let first = turns.take("a").now_or_never().unwrap();
        let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(turns.take("a"))).collect();
        assert!(waiting.iter_mut().all(|turn| turn.now_or_never().is_none()));
        drop(turns.take("b").now_or_never().unwrap());
        assert_eq!(turns.book().len(), 1);
        drop(waiting.remove(0));
        drop(first);
        assert!(waiting[1].as_mut().now_or_never().is_none());
        drop(waiting[0].as_mut().now_or_never().unwrap());
        drop(waiting[1].as_mut().now_or_never().unwrap());
        assert!(turns.book().is_empty());
    }
}
