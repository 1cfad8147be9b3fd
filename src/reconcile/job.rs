//! The job that compares a store with the database and acts on the findings.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    damage, guard, quarantine,
    scan::{Scan, Wanted, store_fault},
};
use crate::{
    blob::{Blobs, verify::Expected},
    db::{self, Conn, DbResult},
    image::query,
    model::{
        error::Error,
        finding::{Finding, ObjectState, Summary},
        image::Image,
        job::{Job, JobKind},
    },
    store::{NamedStore, StoreErrorKind},
    work::{
        Done, Failure, Work,
        durable::{Again, Durable, Ending},
    },
};

/// Findings that are kept of one job; more are counted alone.
const FINDINGS_MAX: i64 = 100_000;
/// Those among them that are information only: they leave room for what is wrong.
const INFORMATION_MAX: i64 = FINDINGS_MAX / 2;

/// How thoroughly objects are checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verify {
    /// Whether they are there.
    Exists,
    /// Their sizes, too.
    #[default]
    Size,
    /// Their bytes, too: all data is read.
    Hash,
}

impl Verify {
    /// Every way.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Exists, "exists"), (Self::Size, "size"), (Self::Hash, "hash")];
}

/// The input of a reconciliation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// The store.
    pub store: String,
    /// How closely.
    #[serde(default)]
    pub verify: Verify,
    /// Only names that begin so.
    #[serde(default)]
    pub prefix: String,
    /// Only objects of this image.
    #[serde(default)]
    pub image_id: Option<String>,
    /// Only objects at least this many seconds old.
    #[serde(default)]
    pub older_than: Option<i64>,
    /// States whose objects are moved to quarantine: `orphan`, `stale-staging`.
    #[serde(default)]
    pub quarantine: Vec<ObjectState>,
    /// Whether to set the size of images without one.
    #[serde(default)]
    pub fix_sizes: bool,
    /// States whose objects are written anew from another store of their image.
    #[serde(default)]
    pub repair: Vec<ObjectState>,
    /// States whose images are marked.
    #[serde(default)]
    pub mark: Vec<ObjectState>,
    /// Whether marked images without any other data are deactivated.
    #[serde(default)]
    pub deactivate: bool,
    /// Nothing is changed.
    pub dry_run: bool,
}

impl Input {
    fn is_of_all(&self) -> bool {
        self.prefix.is_empty() && self.image_id.is_none() && self.older_than.is_none()
    }

    fn changes(&self) -> bool {
        let lists = [&self.quarantine, &self.repair, &self.mark];
        !self.dry_run && (self.fix_sizes || lists.iter().any(|list| !list.is_empty()))
    }
}

/// No state is kept between attempts: quarantined objects are found in quarantine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NoState {}

/// The job of `POST /ext/v1/stores/{id}/reconcile`.
pub struct Reconciliation;

#[async_trait]
impl Durable for Reconciliation {
    const KIND: JobKind = JobKind::Reconciliation;
    type Parts = Blobs;
    type Input = Input;
    type State = NoState;

    fn steps(_: &Input) -> &'static [&'static str] {
        &["compare"]
    }

    async fn run(blobs: &Blobs, work: &Work, input: Input, _: NoState) -> Done<Value> {
        let named = blobs.images.stores.get(&input.store);
        let named = &named.ok_or_else(|| Failure::Final(format!("There is no store {}.", input.store)))?;
        guard::require(&blobs.images.db, named).await?;
        Run { blobs, work, named, input: &input, summary: Summary::new(), changed: 0, kept: 0, informed: 0 }
            .whole()
            .await
    }

    async fn undo(_: &Blobs, _: &Work, _: Input, _: NoState, _: Ending) -> Done<&'static str> {
        Ok("")
    }

    fn retry(_: &mut Conn, _: &Job, input: &Input, _: &NoState) -> DbResult<Again<NoState>> {
        let path = format!("/ext/v1/stores/{}/reconcile", input.store);
        Err(Error::conflict(format!(
            "A reconciliation cannot be retried; request another one with POST {path}."
        ))
        .into())
    }
}

struct Run<'a> {
    blobs: &'a Blobs,
    work: &'a Work,
    named: &'a NamedStore,
    input: &'a Input,
    summary: Summary,
    changed: u64,
    kept: i64,
    informed: i64,
}

impl Run<'_> {
    async fn whole(mut self) -> Done<Value> {
        let (db, input, work) = (&self.blobs.images.db, self.input, self.work);
        let id = work.job.id.clone();
        db.write("reconcile.forget", move |conn| db::stores::forget_findings(conn, &id)).await?;
        let wanted = Wanted {
            sizes: input.verify != Verify::Exists,
            prefix: input.prefix.clone(),
            image_id: input.image_id.clone(),
            older_seconds: input.older_than,
            grace_seconds: self.blobs.images.settings.orphan_grace_seconds,
        };
        let folder = self.blobs.staging.folder().to_owned();
        let mut scan = Scan::begin(db, self.named, folder, wanted, &|| work.check()).await?;
        loop {
            work.check()?;
            let batch = scan.next().await?;
            if batch.is_empty() {
                break;
            }
            let batch = self.verified(batch).await?;
            let batch = self.acted_on(batch).await?;
            self.record(batch).await?;
        }
        let (objects, rows) = (scan.objects, scan.rows);
        if input.is_of_all() {
            let (store, now, summary) = (input.store.clone(), db.clock.now(), self.summary.clone());
            let save = move |conn: &mut Conn| db::stores::set_summary(conn, &store, &summary, now);
            db.write("reconcile.summary", save).await?;
        }
        let found: u64 = self.summary.iter().filter(|(state, _)| !state.is_well()).map(|(_, n)| n).sum();
        Ok(json!({
            "store": input.store,
            "dry_run": input.dry_run,
            "objects": objects,
            "rows": rows,
            "summary": self.summary,
            "changed": self.changed,
            "findings": found,
            "findings_kept": self.kept,
        }))
    }

    /// The same, of which what is well so far was read and checked against the hash of its image.
    async fn verified(&self, batch: Vec<Finding>) -> Done<Vec<Finding>> {
        if self.input.verify != Verify::Hash {
            return Ok(batch);
        }
        let mut verified = Vec::with_capacity(batch.len());
        for mut finding in batch {
            if (finding.state == ObjectState::Ok || finding.state.is_information())
                && let (Some(image), Some(blob)) = (&finding.image_id, &finding.blob_id)
                && let Some(wrong) = self.hash(image, blob).await?
            {
                finding.state = ObjectState::HashMismatch;
                finding.reason = wrong;
            }
            verified.push(finding);
        }
        Ok(verified)
    }

    /// What is wrong with the bytes of a blob. Nothing can be said of an image without a hash, nor of one that is gone.
    async fn hash(&self, image: &str, blob: &str) -> Done<Option<String>> {
        let (images, id) = (&self.blobs.images, blob.to_owned());
        let Some(image) = query::find_unseen(images, image).await? else { return Ok(None) };
        let read = move |conn: &mut Conn| db::stored::place_of(conn, &id);
        let Some(url) = images.db.read("reconcile.place", read).await? else { return Ok(None) };
        let size = image.size_bytes();
        let expected = Expected::of(&image, size);
        if !expected.is_hashed() {
            return Ok(None);
        }
        let mut digests = expected.digests().map_err(Error::from)?;
        let mut chunks = match self.named.read(url.full(), None).await {
            Err(error) if error.kind == StoreErrorKind::NotFound => return Ok(None),
            chunks => chunks.map_err(store_fault)?,
        };
        while let Some(chunk) = self.work.waiting(futures::StreamExt::next(&mut chunks)).await? {
            let chunk = chunk.map_err(store_fault)?;
            digests.feed(&chunk).await.map_err(Error::from)?;
            self.work.advance(chunk.len());
        }
        let measured = digests.finish().await.map_err(Error::from)?;
        let is_met = measured.size == size && expected.is_met_by(&measured.hashes);
        Ok((!is_met).then(|| "its bytes do not have the hash of the image".to_owned()))
    }

    /// The same, with what was done about each.
    async fn acted_on(&mut self, mut batch: Vec<Finding>) -> Done<Vec<Finding>> {
        if !self.input.changes() || batch.iter().all(|finding| finding.state.is_well()) {
            return Ok(batch);
        }
        let db = &self.blobs.images.db;
        // Its file system may have gone since.
        guard::require(db, self.named).await?;
        for finding in &mut batch {
            let is_nobodys = finding.blob_id.is_none() && self.input.quarantine.contains(&finding.state);
            if is_nobodys {
                self.work.check()?;
                finding.outcome = Some(quarantine::put(db, self.named, finding, &self.work.job).await?);
            } else if finding.state == ObjectState::SizeUnknown && self.input.fix_sizes {
                finding.outcome = Some(self.fix(finding).await?);
            } else if self.input.repair.contains(&finding.state) {
                finding.outcome = Some(damage::repair(self.blobs, self.work, finding).await?);
            } else if self.input.mark.contains(&finding.state) {
                let deactivates = self.input.deactivate;
                finding.outcome =
                    Some(damage::mark(self.blobs, self.work, self.named, finding, deactivates).await?);
            } else {
                continue;
            }
            self.changed = self.changed.saturating_add(1);
        }
        Ok(batch)
    }

    /// Tells an image its size.
    async fn fix(&self, finding: &Finding) -> Done<String> {
        let size = finding.bytes.and_then(|bytes| i64::try_from(bytes).ok());
        let Some((image, size)) = finding.image_id.as_deref().zip(size) else {
            return Ok("kept: nobody knows its size".to_owned());
        };
        let tell = |before: &Image| {
            let knows = before.size.is_some_and(|size| size > 0);
            Ok((!knows).then(|| Image { size: Some(size), ..before.clone() }))
        };
        match self.blobs.images.change_for(&self.work.author(), image, tell).await {
            Ok(_) => Ok(format!("the image has {size} bytes now")),
            Err(Error::ImageNotFound(_)) => Ok("kept: the image is gone".to_owned()),
            Err(error) => Err(error.into()),
        }
    }

    /// Counts findings, and writes down those that are not well.
    async fn record(&mut self, batch: Vec<Finding>) -> Done<()> {
        for finding in &batch {
            let count = self.summary.entry(finding.state).or_default();
            *count = count.saturating_add(1);
        }
        let left = usize::try_from(FINDINGS_MAX.saturating_sub(self.kept)).unwrap_or(0);
        let mut is_told = |finding: &Finding| {
            if !finding.state.is_information() {
                return !finding.state.is_well();
            }
            self.informed = self.informed.saturating_add(1);
            self.informed <= INFORMATION_MAX
        };
        let told: Vec<Finding> = batch.into_iter().filter(|finding| is_told(finding)).take(left).collect();
        if told.is_empty() {
            return Ok(());
        }
        let (job, number) = (self.work.job.id.clone(), self.kept.saturating_add(1));
        self.kept = self.kept.saturating_add(i64::try_from(told.len()).unwrap_or(i64::MAX));
        let insert = move |conn: &mut Conn| db::stores::insert_findings(conn, &job, number, &told);
        self.blobs.images.db.write("reconcile.findings", insert).await?;
        Ok(())
    }
}
