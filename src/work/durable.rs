//! The interface of a job kind: its input, its state, how it runs, how it is undone.

use async_trait::async_trait;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Done, Failure, Work, fault::Fault};
use crate::{
    db::{Conn, DbResult},
    model::{
        error::{Error, Result},
        job::{Job, JobKind},
        status::Status,
    },
};

/// How an attempt ended that no other follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// What was asked for cannot succeed, for this kind of fault.
    Refused(Fault),
    /// It was begun too often, or somebody stopped it: nothing is wrong with what the user gave.
    GivenUp,
}

impl Ending {
    /// What is wrong with what was asked for; `None` if nothing is.
    pub fn fault(self) -> Option<Fault> {
        match self {
            Self::Refused(fault) => Some(fault),
            Self::GivenUp => None,
        }
    }
}

/// The start of a retry of a failed job.
#[derive(Debug)]
pub struct Again<S> {
    /// The status that the image must have.
    pub from: Status,
    /// The initial state of the retry.
    pub state: S,
    /// The only place where it can be done.
    pub affinity: Option<String>,
}

/// A kind of durable work. Its input and its state are JSON in the database and nowhere else.
#[async_trait]
pub trait Durable: 'static {
    /// The kind, by which rows name it.
    const KIND: JobKind;
    /// What it needs of the service.
    type Parts: Send + Sync;
    /// What it is asked for; tasks show it.
    type Input: Serialize + DeserializeOwned + Send + Sync;
    /// What it has done so far, for whoever continues.
    type State: Serialize + DeserializeOwned + Send + Sync;

    /// The steps of such work, in their order.
    fn steps(input: &Self::Input) -> &'static [&'static str];

    /// How many of them are over.
    fn steps_done(_input: &Self::Input, _state: &Self::State) -> usize {
        0
    }

    /// Goes on from `state`; answers the result that tasks show. Every step can be repeated.
    ///
    /// # Errors
    /// [`Failure::Final`] or [`Failure::Refused`], with a reason for the user.
    async fn run(parts: &Self::Parts, work: &Work, input: Self::Input, state: Self::State) -> Done<Value>;

    /// Returns the image to a state in which the same call can be made again. Can be repeated. Returns a sentence for
    /// the user about the image, or nothing.
    ///
    /// # Errors
    /// [`Failure`] when the database is away.
    async fn undo(
        parts: &Self::Parts,
        work: &Work,
        input: Self::Input,
        state: Self::State,
        ending: Ending,
    ) -> Done<&'static str>;

    /// What it takes to ask again for `old`, which has failed.
    ///
    /// # Errors
    /// [`Error::Conflict`] when that is not possible.
    fn retry(
        conn: &mut Conn,
        old: &Job,
        input: &Self::Input,
        state: &Self::State,
    ) -> DbResult<Again<Self::State>>;
}

/// The input in a row.
///
/// # Errors
/// [`Failure::Final`] when it says nothing of that kind.
pub fn input_of<D: Durable>(job: &Job) -> Done<D::Input> {
    let kind = D::KIND.as_str();
    serde_json::from_value(job.input.clone())
        .map_err(|e| Failure::Final(format!("The input of the task is not one of type {kind}: {e}.")))
}

/// The state in a row.
///
/// # Errors
/// [`Error::Internal`] when it is unreadable.
pub fn state_of<D: Durable>(job: &Job) -> Result<D::State> {
    serde_json::from_value(job.state.clone()).map_err(|e| Error::internal("the state of a job", e))
}
