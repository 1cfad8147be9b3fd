//! The deprecated task `import` of `POST /v2/tasks`: creates an image, then imports by `web-download`. The image gets
//! the id of the task, so that creating it can be repeated (`glance/async_/flows/base_import.py`).

use serde_json::{Map, Value, json};

use super::{
    Imports,
    asked::{Asked, Method},
    plan::Plan,
    state::State,
};
use crate::{
    image::{create, query, signature},
    model::{caller::Caller, error::Error, image::Image, job::Job, new_image::NewImage, status::Status},
    work::{Done, Failure, Work, queue::LOCK_PROPERTY},
};

/// What the task is to do.
pub fn plan(imports: &Imports, job: &Job) -> Plan {
    let source = job.input.get("import_from").cloned().unwrap_or_default();
    Plan {
        image_id: job.id.clone(),
        asked: Asked {
            body: json!({"method": {"name": "web-download", "uri": source}}),
            method: Method::WebDownload,
            stores: None,
            all_stores: false,
            all_stores_must_succeed: true,
        },
        targets: vec![imports.images.stores.default_id().to_owned()],
    }
}

/// The body of the image: the members of `image_properties`, its `properties` among them.
fn body(work: &Work) -> Done<Map<String, Value>> {
    let missing = |name: &str| Failure::Final(format!("The input of the task lacks {name}."));
    work.job.input.get("import_from_format").ok_or_else(|| missing("import_from_format"))?;
    let given = work.job.input.get("image_properties").and_then(Value::as_object);
    let mut body = given.ok_or_else(|| missing("image_properties"))?.clone();
    if let Some(Value::Object(custom)) = body.remove("properties") {
        body.extend(custom);
    }
    for (name, default) in [("disk_format", "qcow2"), ("container_format", "bare")] {
        body.entry(name).or_insert_with(|| json!(default));
    }
    body.insert("id".to_owned(), json!(work.job.id));
    Ok(body)
}

/// Creates the image, unless that was done, and locks it.
///
/// # Errors
/// [`Failure::Final`] when it may not be created as asked.
pub async fn create_image(imports: &Imports, work: &Work, plan: &Plan) -> Done<()> {
    let body = body(work)?;
    signature::refuse_unverifiable(|name| body.contains_key(name))?;
    if query::find_unseen(&imports.images, &plan.image_id).await?.is_none() {
        let roles = State::of(&work.job)?.roles;
        let caller = Caller {
            user_id: work.job.user_id.clone(),
            project_id: work.job.owner.clone(),
            is_admin_project: true,
            is_admin: roles.iter().any(|role| role == "admin"),
            roles,
            ..Caller::default()
        };
        create::create(&imports.images, &caller, NewImage::parse(&body, &imports.images.schema)?).await?;
    }
    imports
        .images
        .change_for(&work.author(), &plan.image_id, |before: &Image| {
            let mut after = before.clone();
            after.set_property(LOCK_PROPERTY, Some(work.job.id.clone()));
            Ok((after != *before).then_some(after))
        })
        .await?;
    Ok(())
}

/// Removes the image of a task that failed.
///
/// # Errors
/// The database's.
pub async fn remove_image(imports: &Imports, work: &Work, id: &str) -> Done<()> {
    let author = work.author();
    let removed = imports.images.change_for(&author, id, |before: &Image| {
        Ok(Some(Image { status: Status::Deleted, ..before.clone() }))
    });
    match removed.await {
        Ok(_) | Err(Error::ImageNotFound(_)) => Ok(()),
        Err(other) => Err(other.into()),
    }
}
