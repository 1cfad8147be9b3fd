//! Storages: the stores that administrators add while the service runs, and the terms on which a store is used.

use serde_json::{Map, Value, json};

use super::{
    consumer::InUse,
    error::{Error, Result},
    image::TEXT_CHARS_MAX,
    time::Timestamp,
};

/// Longest id of a storage, in characters.
pub const ID_CHARS_MAX: usize = 64;
/// Hosts, and zones, that one storage names at most.
const PLACES_MAX: usize = 200;
/// What a storage may be meant for. The words are for those who read the list.
const ROLES: [&str; 4] = ["custom", "iso", "stock", "export"];
/// Ids that the service uses itself begin with this.
const RESERVED: &str = "os_glance";
const MEMBERS: [&str; 10] = [
    "id",
    "type",
    "options",
    "description",
    "weight",
    "read_only",
    "hosts",
    "zones",
    "roles",
    "in_use_delete",
];

/// How a store is to be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Whether it is a row of the database, and not configured.
    pub managed: bool,
    /// Whether it takes no new images, although it could; what it has is read and deleted as before.
    pub read_only: bool,
    /// The hosts whose images it is for.
    pub hosts: Vec<String>,
    /// The zones whose images it is for.
    pub zones: Vec<String>,
    /// What it is meant for.
    pub roles: Vec<String>,
    /// What DELETE does with images in use that have data there; `None` is what it does with all.
    pub in_use: Option<InUse>,
}

impl Terms {
    /// Whether it is for images of some hosts or zones alone.
    pub fn is_bound(&self) -> bool {
        !self.hosts.is_empty() || !self.zones.is_empty()
    }

    /// Whether an image that comes from this host or zone is one of those that it is bound to.
    pub fn serves(&self, host: Option<&str>, zone: Option<&str>) -> bool {
        let names =
            |list: &[String], name: Option<&str>| name.is_some_and(|n| list.iter().any(|own| own == n));
        names(&self.hosts, host) || names(&self.zones, zone)
    }
}

/// A storage as its row has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Its id among the stores.
    pub id: String,
    /// The name of its type.
    pub kind: String,
    /// Its description for clients.
    pub description: Option<String>,
    /// Preference for reading; larger first.
    pub weight: i64,
    /// How it is to be used.
    pub terms: Terms,
    /// Options that everybody may see, by their full names.
    pub options: Map<String, Value>,
    /// The secret options, encrypted, as one JSON object.
    pub sealed: Option<String>,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

impl Storage {
    /// A new storage as a body describes it, without its options, and those.
    ///
    /// # Errors
    /// [`Error::Invalid`], which names the member.
    pub fn parse(body: &Value, now: Timestamp) -> Result<(Self, Map<String, Value>)> {
        let object = object(body)?;
        let word = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (id, kind) = (word("id"), word("type"));
        check_id(&id)?;
        if kind.is_empty() || kind.len() > ID_CHARS_MAX {
            return Err(Error::invalid("type must be a type of stores."));
        }
        let made = Self {
            id,
            kind,
            description: None,
            weight: 0,
            terms: Terms { managed: true, ..Terms::default() },
            options: Map::new(),
            sealed: None,
            created_at: now,
            updated_at: now,
        };
        let options = options(object)?.unwrap_or_default();
        Ok((made.with(object)?, options))
    }

    /// This storage as a body changes it, without its options, and what changes about those.
    ///
    /// # Errors
    /// As [`Storage::parse`], and for members that cannot change.
    pub fn changed(&self, body: &Value, now: Timestamp) -> Result<(Self, Option<Map<String, Value>>)> {
        let object = object(body)?;
        for name in ["id", "type"] {
            if object.get(name).is_some_and(|value| value.as_str() != Some(self.member(name))) {
                return Err(Error::invalid(format!("{name} cannot change.")));
            }
        }
        let changed = Self { updated_at: now, ..self.clone() };
        Ok((changed.with(object)?, options(object)?))
    }

    fn member(&self, name: &str) -> &str {
        if name == "id" { &self.id } else { &self.kind }
    }

    fn with(mut self, object: &Map<String, Value>) -> Result<Self> {
        match object.get("description") {
            None => {}
            Some(Value::Null) => self.description = None,
            Some(value) => self.description = Some(text("description", value)?),
        }
        if let Some(weight) = object.get("weight") {
            let wrong = || Error::invalid("weight must be a whole number of at most 32 bits.");
            self.weight = weight.as_i64().filter(|n| i32::try_from(*n).is_ok()).ok_or_else(wrong)?;
        }
        if let Some(read_only) = object.get("read_only") {
            let wrong = || Error::invalid("read_only must be true or false.");
            self.terms.read_only = read_only.as_bool().ok_or_else(wrong)?;
        }
        for (name, list) in [("hosts", &mut self.terms.hosts), ("zones", &mut self.terms.zones)] {
            if let Some(value) = object.get(name) {
                *list = texts(name, value, PLACES_MAX)?;
            }
        }
        if let Some(value) = object.get("roles") {
            let roles = texts("roles", value, ROLES.len())?;
            if let Some(other) = roles.iter().find(|role| !ROLES.contains(&role.as_str())) {
                return Err(Error::invalid(format!(
                    "roles has {other:?}, which is none of {}.",
                    ROLES.join(", ")
                )));
            }
            self.terms.roles = roles;
        }
        match object.get("in_use_delete") {
            None => {}
            Some(Value::Null) => self.terms.in_use = None,
            Some(value) => {
                let known = value.as_str().and_then(InUse::parse);
                let names = InUse::NAMES.join(", ");
                let wrong = || Error::invalid(format!("in_use_delete must be one of {names}."));
                self.terms.in_use = Some(known.ok_or_else(wrong)?);
            }
        }
        Ok(self)
    }

    /// Its particulars that no configured store has, for those who see all of it.
    pub fn bindings(&self) -> Value {
        json!({
            "hosts": self.terms.hosts,
            "zones": self.terms.zones,
            "roles": self.terms.roles,
            "in_use_delete": self.terms.in_use.map(InUse::as_str),
        })
    }
}

fn object(body: &Value) -> Result<&Map<String, Value>> {
    let object = body.as_object().ok_or_else(|| Error::invalid("An object is expected."))?;
    match object.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
        Some(name) => Err(Error::invalid(format!("There is no member {name:?} here."))),
        None => Ok(object),
    }
}

fn options(object: &Map<String, Value>) -> Result<Option<Map<String, Value>>> {
    match object.get("options") {
        None => Ok(None),
        Some(Value::Object(options)) => Ok(Some(options.clone())),
        Some(_) => Err(Error::invalid("options must be an object.")),
    }
}

fn check_id(id: &str) -> Result<()> {
    let first = id.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if first && rest && id.len() <= ID_CHARS_MAX && !id.starts_with(RESERVED) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "id must have 1 to {ID_CHARS_MAX} characters of A-Z, a-z, 0-9, dot, underscore and hyphen, and begin with a \
         letter or a digit, but not with {RESERVED}."
    )))
}

/// A text of bounded length that is not empty.
///
/// # Errors
/// [`Error::Invalid`], which names it.
pub fn text(name: &str, value: &Value) -> Result<String> {
    let fits = |text: &&str| (1..=TEXT_CHARS_MAX).contains(&text.chars().count()) && !text.contains('\0');
    let text = value.as_str().filter(fits).map(str::to_owned);
    text.ok_or_else(|| Error::invalid(format!("{name} must be a text of 1 to {TEXT_CHARS_MAX} characters.")))
}

/// Several of them, each once.
///
/// # Errors
/// [`Error::Invalid`], which names it.
pub fn texts(name: &str, value: &Value, count_max: usize) -> Result<Vec<String>> {
    let wrong = || Error::invalid(format!("{name} must be a list of at most {count_max} texts."));
    let list = value.as_array().filter(|list| list.len() <= count_max).ok_or_else(wrong)?;
    let mut texts: Vec<String> = Vec::with_capacity(list.len());
    for value in list {
        let text = text(name, value)?;
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn made() -> Storage {
        let body = json!({"id": "nfs1", "type": "file", "hosts": ["hv1", "hv1"], "roles": ["iso"]});
        Storage::parse(&body, Timestamp(1)).unwrap().0
    }

    /// Proves that a change leaves alone what it does not name, and that what names a storage cannot change.
    #[test]
    fn changes_are_partial() {
        let storage = made();
        assert_eq!((storage.terms.hosts.as_slice(), storage.weight), (["hv1".to_owned()].as_slice(), 0));
        let (changed, options) = storage.changed(&json!({"weight": 5, "id": "nfs1"}), Timestamp(2)).unwrap();
        let expected = Storage { weight: 5, updated_at: Timestamp(2), ..storage.clone() };
        assert_eq!((changed, options), (expected, None));
        assert!(storage.changed(&json!({"id": "nfs2"}), Timestamp(2)).is_err());
        assert!(storage.changed(&json!({"type": "s3"}), Timestamp(2)).is_err());
    }

    /// Proves that members of the wrong form are refused.
    #[test]
    fn wrong_members_are_refused() {
        let long = "x".repeat(ID_CHARS_MAX + 1);
        for id in ["", "a b", "-a", "a/b", "os_glance_staging_store", "ä", &long] {
            assert!(Storage::parse(&json!({"id": id, "type": "file"}), Timestamp(1)).is_err(), "{id:?}");
        }
        for wrong in [
            json!({"weight": "1"}),
            json!({"weight": 1_i64 << 31}),
            json!({"read_only": 1}),
            json!({"hosts": "hv1"}),
            json!({"hosts": [""]}),
            json!({"zones": [1]}),
            json!({"roles": ["all"]}),
            json!({"description": 1}),
            json!({"options": []}),
            json!({"default": true}),
            json!([]),
            json!({"hosts": (0..=PLACES_MAX).map(|n| n.to_string()).collect::<Vec<_>>()}),
        ] {
            assert!(made().changed(&wrong, Timestamp(2)).is_err(), "{wrong}");
        }
    }

    /// Proves that a storage serves the hosts and zones that it is bound to, and no others.
    #[test]
    fn bindings_name_hosts_or_zones() {
        let terms = Terms { hosts: vec!["hv1".to_owned()], zones: vec!["z".to_owned()], ..Terms::default() };
        assert!(terms.is_bound() && !Terms::default().is_bound());
        let cases = [
            (Some("hv1"), None, true),
            (Some("hv2"), None, false),
            (Some("hv2"), Some("z"), true),
            (None, None, false),
        ];
        for (host, zone, expected) in cases {
            assert_eq!(terms.serves(host, zone), expected, "{host:?} {zone:?}");
        }
    }
}
