//! The deprecated task `import` of `POST /v2/tasks`: creates an image, then imports by `web-download`. The image gets
//! the id of the task, so that creating it can be repeated (`glance/async_/flows/base_import.py`).

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    Imports,
    asked::{Asked, Method},
    behalf,
    job::{FETCHED, put_back, steps, steps_done},
    plan::Plan,
    settings::Plugin,
    signed,
    state::State,
};
use crate::{
    db::{Conn, DbError, DbResult},
    image::{create, query},
    model::{
        caller::Caller,
        error::{Error, Result},
        image::Image,
        job::{Job, JobKind, written},
        new_image::NewImage,
        status::Status,
    },
    outbound,
    work::{
        Done, Failure, Work,
        durable::{Again, Durable, Ending},
        queue::LOCK_PROPERTY,
    },
};

/// A task of type `import`.
pub struct TaskImport;

/// The input of such a task: `import_from`, `import_from_format`, `image_properties`, and any other members. It is
/// checked when the job runs, as in Glance.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskInput(pub Map<String, Value>);

impl TaskInput {
    fn source(&self) -> &str {
        self.0.get("import_from").and_then(Value::as_str).unwrap_or_default()
    }

    /// What the image is to be: the members of `image_properties`, its `properties` among them.
    fn given(&self) -> Option<Map<String, Value>> {
        let mut body = self.0.get("image_properties").and_then(Value::as_object)?.clone();
        if let Some(Value::Object(custom)) = body.remove("properties") {
            body.extend(custom);
        }
        Some(body)
    }

    /// The body of the image.
    fn body(&self, id: &str) -> Done<Map<String, Value>> {
        let missing = |name: &str| Failure::Final(format!("The input of the task lacks {name}."));
        self.0.get("import_from_format").ok_or_else(|| missing("import_from_format"))?;
        let mut body = self.given().ok_or_else(|| missing("image_properties"))?;
        for (name, default) in [("disk_format", "qcow2"), ("container_format", "bare")] {
            body.entry(name).or_insert_with(|| json!(default));
        }
        body.insert("id".to_owned(), json!(id));
        Ok(body)
    }

    fn plan(&self, imports: &Imports, work: &Work) -> Plan {
        Plan {
            image_id: work.job.id.clone(),
            asked: Asked {
                body: json!({"method": {"name": "web-download", "uri": self.source()}}),
                method: Method::WebDownload,
                stores: None,
                all_stores: false,
                all_stores_must_succeed: true,
            },
            targets: vec![imports.images.stores.default_id().to_owned()],
        }
    }
}

/// Accepts the input of a posted task; returns input and state of its job as stored in rows.
///
/// # Errors
/// [`Error::Invalid`] when it names no source that may be fetched from.
pub async fn accept(
    imports: &Imports,
    caller: &Caller,
    input: &Map<String, Value>,
) -> Result<(Value, Value)> {
    let source = input.get("import_from").and_then(Value::as_str).unwrap_or_default();
    if !(source.starts_with("http://") || source.starts_with("https://")) {
        return Err(Error::invalid("import_from must be a URL that begins with http:// or https://."));
    }
    outbound::check(&imports.settings.filter, source)
        .map_err(|refusal| Error::invalid(refusal.to_string()))?;
    let container = input.get("image_properties").and_then(|properties| properties.get("container_format"));
    let takes_apart = imports.settings.plugins.contains(&Plugin::OvfProcess);
    if container.and_then(Value::as_str) == Some("ova") && !takes_apart {
        return Err(Error::invalid(
            "OVA archives are not taken apart here; unpack the disk and import it with container_format bare.",
        ));
    }
    let input = TaskInput(input.clone());
    let given = input.given().unwrap_or_default();
    let said = |name: &str| given.get(name).map(Value::as_str);
    let signer = signed::signer_of(&imports.images, caller, said).await;
    let state = State { roles: caller.roles.clone(), signer, ..State::default() };
    Ok((written(&input)?, written(&state)?))
}

#[async_trait]
impl Durable for TaskImport {
    const KIND: JobKind = JobKind::Import;
    type Parts = Imports;
    type Input = TaskInput;
    type State = State;

    fn steps(_: &TaskInput) -> &'static [&'static str] {
        &FETCHED
    }

    fn steps_done(input: &TaskInput, state: &State) -> usize {
        steps_done(Self::steps(input), state)
    }

    async fn run(imports: &Imports, work: &Work, input: TaskInput, mut state: State) -> Done<Value> {
        let plan = input.plan(imports, work);
        if !state.done {
            work.check()?;
            create_image(imports, work, &input, &state.roles).await?;
        }
        steps(imports, work, &plan, &mut state).await?;
        Ok(json!({ "image_id": plan.image_id }))
    }

    async fn undo(
        imports: &Imports,
        work: &Work,
        input: TaskInput,
        state: State,
        ending: Ending,
    ) -> Done<&'static str> {
        if state.done {
            return Ok("");
        }
        put_back(imports, work, &input.plan(imports, work), state, ending).await?;
        remove_image(imports, work).await?;
        Ok("No image was made.")
    }

    fn retry(_: &mut Conn, _: &Job, _: &TaskInput, _: &State) -> DbResult<Again<State>> {
        Err(Error::conflict("The image of this task is gone; create a new task.").into())
    }
}

/// Creates the image, unless that was done, and locks it.
///
/// # Errors
/// [`Failure::Final`] when it may not be created as asked.
async fn create_image(imports: &Imports, work: &Work, input: &TaskInput, roles: &[String]) -> Done<()> {
    let (id, body) = (work.job.id.as_str(), input.body(&work.job.id)?);
    if query::find_unseen(&imports.images, id).await?.is_none() {
        let caller = behalf::caller(imports, work, roles);
        create::create(&imports.images, &caller, NewImage::parse(&body, &imports.images.schema)?).await?;
    }
    imports
        .images
        .change_for(&work.author(), id, |before: &Image| {
            let mut after = before.clone();
            after.set_property(LOCK_PROPERTY, Some(id.to_owned()));
            Ok((after != *before).then_some(after))
        })
        .await?;
    Ok(())
}

/// Removes the image of a task that failed.
///
/// # Errors
/// The database's.
async fn remove_image(imports: &Imports, work: &Work) -> Done<()> {
    let removed = work.change(&imports.images, &work.job.id, |before: &Image| {
        Ok(Some(Image { status: Status::Deleted, ..before.clone() }))
    });
    match removed.await {
        Ok(_) | Err(DbError::Domain(Error::ImageNotFound(_))) => Ok(()),
        Err(other) => Err(other.into()),
    }
}
