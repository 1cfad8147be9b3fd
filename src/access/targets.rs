//! Images and callers as the targets of policy rules (`glance/api/v2/policy.py: ImageAPIPolicy`).

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::{
    model::{caller::Caller, image::Image, visibility::Visibility},
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
    /// The requested owner.
    pub owner: Option<&'a str>,
    /// The requested visibility; `private` if none was, as in Glance.
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

/// A project, by its id, as the target of a rule.
pub struct ProjectTarget<'a>(pub &'a str);

impl Target for ProjectTarget<'_> {
    fn get(&self, key: &str) -> Option<Cow<'_, str>> {
        (key == "project_id").then_some(Cow::Borrowed(self.0))
    }

    fn entries(&self) -> Vec<(String, Value)> {
        vec![("project_id".to_owned(), json!(self.0))]
    }
}
