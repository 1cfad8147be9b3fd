//! The table of job kinds, one row each. The engine runs the kind of a row, an operator retries it, and `POST
//! /v2/tasks` accepts the public kinds.

use futures::future::BoxFuture;
use serde_json::{Map, Value};

use crate::{
    blob::Blobs,
    db::{self, Conn, DbError, DbResult},
    image::Images,
    import::{
        Imports,
        job::ImageImport,
        legacy::{self, TaskImport},
    },
    location::{hash::HashCalculation, job::LocationImport},
    model::{
        caller::Caller,
        error::{Error, Result},
        job::{Job, JobKind, JobState, written},
    },
    reconcile::{adoption::Adoption, job::Reconciliation},
    work::{
        Done, Failure, Work,
        durable::{Again, Durable, Ending, input_of, state_of},
    },
};

/// Checks the input of a posted task; returns its input and its first state as rows keep them.
type Accept =
    for<'a> fn(&'a Imports, &'a Caller, &'a Map<String, Value>) -> BoxFuture<'a, Result<(Value, Value)>>;

/// A kind of durable work, whatever its input and its state.
pub struct Kind {
    /// The kind.
    pub kind: JobKind,
    /// How `POST /v2/tasks` takes it; `None` is a kind that has an API of its own, which checks more.
    pub accept: Option<Accept>,
    run: for<'a> fn(&'a Imports, &'a Work) -> BoxFuture<'a, Done<Value>>,
    undo: for<'a> fn(&'a Imports, &'a Work, Ending) -> BoxFuture<'a, Done<&'static str>>,
    retry: fn(&mut Conn, &Job) -> DbResult<Again<Value>>,
    steps: fn(&Job) -> Steps,
}

/// The steps of a job, in their order, and the one where it stands before its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    /// All of them.
    pub all: &'static [&'static str],
    /// Where it stands, if it is not over.
    pub now: Option<&'static str>,
}

/// Every kind.
const TABLE: [Kind; 6] = [
    row::<LocationImport>(None),
    row::<ImageImport>(None),
    row::<HashCalculation>(None),
    row::<TaskImport>(Some(|imports, caller, input| Box::pin(legacy::accept(imports, caller, input)))),
    row::<Reconciliation>(None),
    row::<Adoption>(None),
];

const fn row<D>(accept: Option<Accept>) -> Kind
where
    D: Durable,
    D::Parts: Within,
{
    Kind { kind: D::KIND, accept, run: run::<D>, undo: undo::<D>, retry: retry::<D>, steps: steps::<D> }
}

/// What is within the parts of the service that a kind may need.
trait Within {
    fn within(all: &Imports) -> &Self;
}

impl Within for Imports {
    fn within(all: &Imports) -> &Self {
        all
    }
}

impl Within for Blobs {
    fn within(all: &Imports) -> &Self {
        &all.blobs
    }
}

impl Within for Images {
    fn within(all: &Imports) -> &Self {
        &all.images
    }
}

fn run<'a, D>(imports: &'a Imports, work: &'a Work) -> BoxFuture<'a, Done<Value>>
where
    D: Durable,
    D::Parts: Within,
{
    Box::pin(async move {
        let (input, state) = (input_of::<D>(&work.job)?, state_of::<D>(&work.job)?);
        D::run(D::Parts::within(imports), work, input, state).await
    })
}

fn undo<'a, D>(imports: &'a Imports, work: &'a Work, ending: Ending) -> BoxFuture<'a, Done<&'static str>>
where
    D: Durable,
    D::Parts: Within,
{
    Box::pin(async move {
        let id = work.job.id.clone();
        // The attempt may have come further than the row that it was begun with.
        let job = imports.images.db.read("job.find", move |conn| db::jobs::find(conn, &id)).await?;
        let (input, state) = (input_of::<D>(&work.job)?, state_of::<D>(job.as_ref().unwrap_or(&work.job))?);
        D::undo(D::Parts::within(imports), work, input, state, ending).await
    })
}

fn retry<D: Durable>(conn: &mut Conn, old: &Job) -> DbResult<Again<Value>> {
    let unreadable = |failure: Failure| DbError::Domain(Error::conflict(failure.to_string()));
    let (input, state) = (input_of::<D>(old).map_err(unreadable)?, state_of::<D>(old)?);
    let Again { from, state, affinity } = D::retry(conn, old, &input, &state)?;
    Ok(Again { from, state: written(&state)?, affinity })
}

fn steps<D: Durable>(job: &Job) -> Steps {
    // What another version has written may be unreadable here, and shows none.
    let (Ok(input), Ok(state)) = (input_of::<D>(job), state_of::<D>(job)) else { return Steps::default() };
    let all = D::steps(&input);
    let is_begun = matches!(job.state_now(), JobState::Running | JobState::Waiting);
    let at = D::steps_done(&input, &state).min(all.len().saturating_sub(1));
    Steps { all, now: all.get(at).copied().filter(|_| is_begun) }
}

/// The row of a kind.
///
/// # Errors
/// [`Error::Internal`] when the table lacks it.
pub fn of(kind: JobKind) -> Result<&'static Kind> {
    const { &TABLE }.iter().find(|row| row.kind == kind).ok_or_else(|| Error::Internal {
        message: format!("there is no row for jobs of kind {}", kind.as_str()),
    })
}

/// The kinds that `POST /v2/tasks` takes.
pub fn public() -> impl Iterator<Item = &'static Kind> {
    const { &TABLE }.iter().filter(|row| row.accept.is_some())
}

impl Kind {
    /// Runs a claimed job from where it stands.
    ///
    /// # Errors
    /// As [`Durable::run`]; [`Failure::Final`] for an input that is not of this kind.
    pub async fn run(&self, imports: &Imports, work: &Work) -> Done<Value> {
        (self.run)(imports, work).await
    }

    /// Takes back what a job has done.
    ///
    /// # Errors
    /// As [`Durable::undo`].
    pub async fn undo(&self, imports: &Imports, work: &Work, ending: Ending) -> Done<&'static str> {
        (self.undo)(imports, work, ending).await
    }

    /// The steps of a job, from its row.
    pub fn steps(&self, job: &Job) -> Steps {
        (self.steps)(job)
    }

    /// What it takes to ask again for a job that has failed.
    ///
    /// # Errors
    /// As [`Durable::retry`].
    pub fn retry(&self, conn: &mut Conn, old: &Job) -> DbResult<Again<Value>> {
        (self.retry)(conn, old)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_one_row() {
        for kind in JobKind::ALL {
            assert_eq!(TABLE.iter().filter(|row| row.kind == kind).count(), 1, "{kind:?}");
            assert!(of(kind).is_ok_and(|row| row.kind == kind));
        }
        let public: Vec<_> = public().map(|row| row.kind.as_str()).collect();
        assert_eq!(public, ["import"]);
    }
}
