//! Metadata definitions as plain values: namespaces and their parts, in Glance's terms (`glance/domain/__init__.py:
//! MetadefNamespace` and similar).

pub mod file;
pub mod input;
pub mod list;
pub mod property;
pub mod schema;

use serde_json::{Map, Value};

use super::{caller::Caller, time::Timestamp};

/// Longest name of anything in a namespace, in characters.
pub const NAME_CHARS_MAX: usize = 80;

/// The visibility of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamespaceVisibility {
    /// Everybody.
    Public,
    /// The owner, and admins.
    Private,
}

impl NamespaceVisibility {
    /// The name that the API and the database use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
        }
    }

    /// Reads a visibility by its API name.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "public" => Some(Self::Public),
            "private" => Some(Self::Private),
            _ => None,
        }
    }
}

/// The attributes of a namespace in a request or a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceFields {
    /// The name, unique among all namespaces.
    pub namespace: String,
    /// Display title.
    pub display_name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Its visibility.
    pub visibility: NamespaceVisibility,
    /// Whether it and its parts are kept from being deleted.
    pub protected: bool,
    /// The owning project; any text.
    pub owner: String,
}

/// A stored namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Row number; never shown to clients.
    pub id: i64,
    /// Its attributes.
    pub fields: NamespaceFields,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed; `None` for what a file brought.
    pub updated_at: Option<Timestamp>,
}

impl Namespace {
    /// Whether the database shows it to a caller, before any policy
    /// (`glance/db/sqlalchemy/metadef_api/namespace.py: _is_namespace_visible`).
    pub fn is_visible_to(&self, caller: &Caller) -> bool {
        caller.is_admin
            || self.fields.visibility == NamespaceVisibility::Public
            || caller.project_id.as_deref() == Some(self.fields.owner.as_str())
    }
}

/// A part of a namespace, or a resource type, together with its times.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored<T> {
    /// Row number; never shown to clients.
    pub id: i64,
    /// The value.
    pub value: T,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed; `None` for what a file brought.
    pub updated_at: Option<Timestamp>,
}

/// An object: a named group of properties.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Name, unique in its namespace.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Properties that must be given together; `None` when the client said nothing.
    pub required: Option<Vec<String>>,
    /// Property definitions by name; `None` when the client said nothing.
    pub properties: Option<Map<String, Value>>,
}

/// A property definition.
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    /// Name, unique in its namespace.
    pub name: String,
    /// The definition; it repeats the name where the client that wrote it did.
    pub schema: Map<String, Value>,
}

/// How a namespace applies to a type of resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Association {
    /// Name of the resource type.
    pub name: String,
    /// Prefix of property names on such a resource.
    pub prefix: Option<String>,
    /// Where on the resource the properties live.
    pub properties_target: Option<String>,
}

/// The parts of a namespace in a request or a file; `None` is "not mentioned".
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contents {
    /// Associations with resource types.
    pub associations: Option<Vec<Association>>,
    /// Properties.
    pub properties: Option<Vec<Property>>,
    /// Objects.
    pub objects: Option<Vec<Object>>,
    /// Names of tags.
    pub tags: Option<Vec<String>>,
}

/// The stored parts of a namespace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredContents {
    /// Associations with resource types.
    pub associations: Vec<Stored<Association>>,
    /// Properties, by name.
    pub properties: Vec<Stored<Property>>,
    /// Objects, by name.
    pub objects: Vec<Stored<Object>>,
    /// Tags, newest first.
    pub tags: Vec<Stored<String>>,
}
