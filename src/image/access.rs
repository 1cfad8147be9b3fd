//! Finding an image as a caller sees it, and asking the policy about it
//! (`glance/api/v2/policy.py: ImageAPIPolicy`).

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::{
    app::App,
    db,
    model::{
        caller::Caller,
        error::{Error, Result},
        image::{ID_CHARS_MAX, Image},
        visibility::{self, Visibility},
    },
    policy::Target,
};

/// An existing image as the target of a rule.
pub struct ImageTarget<'a>(pub &'a Image);

const NONE: &str = "None";

fn text_or_none(text: &Option<String>) -> Cow<'_, str> {
    Cow::Borrowed(text.as_deref().unwrap_or(NONE))
}

fn number_or_none(number: Option<i64>) -> Cow<'static, str> {
    number.map_or(Cow::Borrowed(NONE), |n| Cow::Owned(n.to_string()))
}

/// Python's spelling of a boolean.
fn python(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

const TARGET_KEYS: [&str; 23] = [
    "image_id",
    "id",
    "owner",
    "project_id",
    "member",
    "member_id",
    "visibility",
    "status",
    "name",
    "disk_format",
    "container_format",
    "checksum",
    "os_hash_algo",
    "os_hash_value",
    "size",
    "virtual_size",
    "min_disk",
    "min_ram",
    "protected",
    "os_hidden",
    "created_at",
    "updated_at",
    "tags",
];

impl Target for ImageTarget<'_> {
    fn get(&self, key: &str) -> Option<Cow<'_, str>> {
        let image = self.0;
        Some(match key {
            "owner" | "project_id" => text_or_none(&image.owner),
            "visibility" => Cow::Borrowed(image.visibility.as_str()),
            "member" | "member_id" => text_or_none(&image.member),
            "id" | "image_id" => Cow::Borrowed(&image.id),
            "status" => Cow::Borrowed(image.status.as_str()),
            "name" => text_or_none(&image.name),
            "disk_format" => text_or_none(&image.disk_format),
            "container_format" => text_or_none(&image.container_format),
            "checksum" => text_or_none(&image.checksum),
            "os_hash_algo" => text_or_none(&image.os_hash_algo),
            "os_hash_value" => text_or_none(&image.os_hash_value),
            "size" => number_or_none(image.size),
            "virtual_size" => number_or_none(image.virtual_size),
            "min_disk" => Cow::Owned(image.min_disk.to_string()),
            "min_ram" => Cow::Owned(image.min_ram.to_string()),
            "protected" => Cow::Borrowed(python(image.protected)),
            "os_hidden" => Cow::Borrowed(python(image.os_hidden)),
            "created_at" => Cow::Owned(image.created_at.isotime()),
            "updated_at" => Cow::Owned(image.updated_at.isotime()),
            "tags" => Cow::Owned(image.tags.join(",")),
            name => text_or_none(&image.property(name)?.value),
        })
    }

    fn entries(&self) -> Vec<(String, Value)> {
        let names = self.0.properties.iter().map(|p| p.name.as_str());
        TARGET_KEYS
            .into_iter()
            .chain(names)
            .filter_map(|key| self.get(key).map(|value| (key.to_owned(), json!(value))))
            .collect()
    }
}

/// An image that does not exist yet, as the target of a rule.
pub struct NewImageTarget<'a> {
    /// The owner that was asked for.
    pub owner: Option<&'a str>,
    /// The visibility that was asked for; `private` when none was, as Glance has it.
    pub visibility: Visibility,
}

impl Target for NewImageTarget<'_> {
    fn get(&self, key: &str) -> Option<Cow<'_, str>> {
        match key {
            "owner" | "project_id" => Some(Cow::Borrowed(self.owner.unwrap_or(NONE))),
            "visibility" => Some(Cow::Borrowed(self.visibility.as_str())),
            _ => None,
        }
    }

    fn entries(&self) -> Vec<(String, Value)> {
        vec![
            ("owner".to_owned(), json!(self.owner)),
            ("project_id".to_owned(), json!(self.owner)),
            ("visibility".to_owned(), json!(self.visibility.as_str())),
        ]
    }
}

/// The caller's own project as the target of a rule.
pub struct CallerTarget<'a>(pub &'a Caller);

impl Target for CallerTarget<'_> {
    fn get(&self, key: &str) -> Option<Cow<'_, str>> {
        (key == "project_id").then(|| text_or_none(&self.0.project_id))
    }

    fn entries(&self) -> Vec<(String, Value)> {
        vec![("project_id".to_owned(), json!(self.0.project_id))]
    }
}

/// Asks the policy.
///
/// # Errors
/// [`Error::Internal`] when a rule cannot be evaluated (an unknown rule, a remote check that fails).
pub async fn allowed(app: &App, caller: &Caller, rule: &str, target: &dyn Target) -> Result<bool> {
    app.policy.check(rule, caller, target).await.map_err(|e| Error::internal("policy", e))
}

/// Refuses read-only (anonymous) callers (`glance/common/utils.py: mutating`).
///
/// # Errors
/// [`Error::Forbidden`]
pub fn mutating(caller: &Caller) -> Result<()> {
    if caller.read_only {
        Err(Error::forbidden("Operation is not permitted for anonymous callers."))
    } else {
        Ok(())
    }
}

/// Rules that the defaults of earlier releases grant to strangers too, so that ownership is asked for beside them.
const RULES_OF_OWNERS: [&str; 6] =
    ["modify_image", "delete_image", "upload_image", "deactivate", "reactivate", "delete_image_location"];

/// Requires that the caller is an admin or of the project that owns the image: what Glance's database asks for
/// before it saves, whatever the policy said (`glance/db/sqlalchemy/api.py: _check_mutate_authorization`).
///
/// # Errors
/// [`Error::Forbidden`]
pub fn owned(caller: &Caller, image: &Image) -> Result<()> {
    if caller.is_admin || caller.project_id.is_some() && caller.project_id == image.owner {
        Ok(())
    } else {
        Err(Error::forbidden(format!("You do not own image {}.", image.id)))
    }
}

/// Requires a rule on an image; with `enforce_new_defaults = false` those that change it require its owner too
/// (`glance/api/v2/policy.py: check_is_image_mutable`).
///
/// # Errors
/// [`Error::ImageNotFound`] when the caller may not even see the image, else [`Error::Forbidden`].
pub async fn enforce(app: &App, caller: &Caller, rule: &str, image: &Image) -> Result<()> {
    let target = ImageTarget(image);
    if allowed(app, caller, rule, &target).await? {
        let is_old = !app.policy.settings().enforce_new_defaults;
        return if is_old && RULES_OF_OWNERS.contains(&rule) { owned(caller, image) } else { Ok(()) };
    }
    if rule == "get_image" || !allowed(app, caller, "get_image", &target).await? {
        return Err(Error::ImageNotFound(image.id.clone()));
    }
    Err(refused(rule))
}

/// The refusal of a rule, naming it so that an operator knows where to look.
pub fn refused(rule: &str) -> Error {
    Error::Forbidden(format!("You are not authorized to complete {rule} action."))
}

/// Loads an image as the database shows it to the caller, before any rule.
///
/// # Errors
/// [`Error::ImageNotFound`] when it is absent, deleted or hidden.
pub async fn find(app: &App, caller: &Caller, id: &str) -> Result<Image> {
    let missing = || Error::ImageNotFound(id.to_owned());
    if id.chars().count() > ID_CHARS_MAX || id.contains('\0') {
        return Err(missing());
    }
    let (key, project) = (id.to_owned(), caller.project_id.clone());
    let (image, is_member) = app
        .db
        .read("image.find", move |conn| {
            let image = db::images::find(conn, &key)?;
            let shared = image.as_ref().is_some_and(|i| i.visibility == Visibility::Shared);
            let is_member = match &project {
                Some(project) if shared => db::images::is_member(conn, &key, project)?,
                _ => false,
            };
            Ok((image, is_member))
        })
        .await?;
    let mut image = image.ok_or_else(missing)?;
    if !visibility::is_visible(caller, &image, is_member) {
        return Err(missing());
    }
    app.stores.settle(&mut image.locations);
    seen_by(caller, &mut image);
    Ok(image)
}

/// Fills `member` as Glance does: the caller's project, when the image is shared and not its own
/// (`glance/db/__init__.py: ImageRepo._format_image_from_db`).
pub fn seen_by(caller: &Caller, image: &mut Image) {
    let foreign = image.visibility == Visibility::Shared && image.owner != caller.project_id;
    image.member = if foreign { caller.project_id.clone() } else { None };
}
