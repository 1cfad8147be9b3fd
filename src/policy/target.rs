//! The target of a policy check: the attributes of the image, namespace or caller.

use std::borrow::Cow;

use serde_json::Value;

use crate::model::caller::Caller;

/// The attributes of the object of an operation, as `%(key)s` in a rule reads them.
pub trait Target: Sync {
    /// The text of `key` as Python's `str()` would give it: `None` for a null, `True` and `False`
    /// for booleans. The outer `None` means that there is no such key, and makes the check false.
    fn get(&self, key: &str) -> Option<Cow<'_, str>>;

    /// Every attribute with its JSON value, for remote checks.
    fn entries(&self) -> Vec<(String, Value)>;
}

/// A target without attributes (tasks, most cache calls, property protections).
#[derive(Clone, Copy, Debug, Default)]
pub struct Empty;

impl Target for Empty {
    fn get(&self, _key: &str) -> Option<Cow<'_, str>> {
        None
    }

    fn entries(&self) -> Vec<(String, Value)> {
        Vec::new()
    }
}

/// A handful of attributes, searched in order; for targets that are made up on the spot.
#[derive(Clone, Debug, Default)]
pub struct MapTarget(Vec<(Cow<'static, str>, Value)>);

impl MapTarget {
    /// An empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `key`; an `Option` that is `None` becomes Python's None. The first entry of a key counts.
    #[must_use]
    pub fn with(mut self, key: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        self.0.push((key.into(), value.into()));
        self
    }
}

impl Target for MapTarget {
    fn get(&self, key: &str) -> Option<Cow<'_, str>> {
        let (_, value) = self.0.iter().find(|(name, _)| name == key)?;
        Some(python_text(value))
    }

    fn entries(&self) -> Vec<(String, Value)> {
        let entries = self.0.iter();
        entries.map(|(key, value)| (key.clone().into_owned(), value.clone())).collect()
    }
}

/// The caller's own credentials as a target, as `context_is_admin` is enforced
/// (`glance/api/policy.py` `Enforcer.check_is_admin`).
#[derive(Clone, Copy, Debug)]
pub struct CallerTarget<'a>(pub &'a Caller);

impl Target for CallerTarget<'_> {
    fn get(&self, key: &str) -> Option<Cow<'_, str>> {
        match Credential::named(key)?.value(self.0) {
            Held::Text(text) => Some(Cow::Borrowed(text)),
            Held::List(list) => Some(Cow::Owned(python_list(list.iter().map(String::as_str)))),
            Held::Missing => None,
        }
    }

    fn entries(&self) -> Vec<(String, Value)> {
        credentials(self.0)
    }
}

/// One of the caller's attributes that rules may name on the left of a colon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    UserId,
    UserDomainId,
    SystemScope,
    DomainId,
    ProjectId,
    ProjectDomainId,
    Roles,
    IsAdminProject,
    ServiceUserId,
    ServiceUserDomainId,
    ServiceProjectId,
    ServiceProjectDomainId,
    ServiceRoles,
    /// oslo.policy's own copy of `system_scope`, there only while the token has one.
    System,
}

/// What the caller holds under a credential's name.
pub(crate) enum Held<'a> {
    Text(&'a str),
    List(&'a [String]),
    Missing,
}

const CREDENTIALS: [(&str, Credential); 14] = [
    ("user_id", Credential::UserId),
    ("user_domain_id", Credential::UserDomainId),
    ("system_scope", Credential::SystemScope),
    ("domain_id", Credential::DomainId),
    ("project_id", Credential::ProjectId),
    ("project_domain_id", Credential::ProjectDomainId),
    ("roles", Credential::Roles),
    ("is_admin_project", Credential::IsAdminProject),
    ("service_user_id", Credential::ServiceUserId),
    ("service_user_domain_id", Credential::ServiceUserDomainId),
    ("service_project_id", Credential::ServiceProjectId),
    ("service_project_domain_id", Credential::ServiceProjectDomainId),
    ("service_roles", Credential::ServiceRoles),
    ("system", Credential::System),
];

impl Credential {
    pub(crate) fn named(name: &str) -> Option<Self> {
        CREDENTIALS.iter().find(|(known, _)| *known == name).map(|(_, credential)| *credential)
    }

    /// The caller's value; an absent attribute is there with the value None, as in oslo.context.
    pub(crate) fn value(self, caller: &Caller) -> Held<'_> {
        let scalar = match self {
            Self::UserId => &caller.user_id,
            Self::UserDomainId => &caller.user_domain_id,
            Self::SystemScope => &caller.system_scope,
            Self::DomainId => &caller.domain_id,
            Self::ProjectId => &caller.project_id,
            Self::ProjectDomainId => &caller.project_domain_id,
            Self::ServiceUserId => &caller.service_user_id,
            Self::ServiceUserDomainId => &caller.service_user_domain_id,
            Self::ServiceProjectId => &caller.service_project_id,
            Self::ServiceProjectDomainId => &caller.service_project_domain_id,
            Self::Roles => return Held::List(&caller.roles),
            Self::ServiceRoles => return Held::List(&caller.service_roles),
            Self::IsAdminProject if caller.is_admin_project => return Held::Text("True"),
            Self::IsAdminProject => return Held::Text("False"),
            Self::System => {
                return match caller.system_scope.as_deref() {
                    None | Some("") => Held::Missing,
                    Some(scope) => Held::Text(scope),
                };
            }
        };
        Held::Text(scalar.as_deref().unwrap_or("None"))
    }
}

/// The caller as remote checks receive it (`oslo_context/context.py` `to_policy_values`).
pub(crate) fn credentials(caller: &Caller) -> Vec<(String, Value)> {
    let value_of = |credential: Credential| match credential.value(caller) {
        Held::List(list) => Some(Value::from(list.to_vec())),
        Held::Missing => None,
        Held::Text(_) if credential == Credential::IsAdminProject => {
            Some(Value::Bool(caller.is_admin_project))
        }
        Held::Text("None") => Some(Value::Null),
        Held::Text(text) => Some(Value::from(text)),
    };
    let all = CREDENTIALS.iter();
    all.filter_map(|(name, credential)| Some(((*name).to_owned(), value_of(*credential)?))).collect()
}

/// The text that Python's `str()` gives for a value of this JSON shape: `None`, `True`, `7`, `['a']`.
pub fn python_text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Null => Cow::Borrowed("None"),
        Value::Bool(true) => Cow::Borrowed("True"),
        Value::Bool(false) => Cow::Borrowed("False"),
        Value::Number(number) => Cow::Owned(number.to_string()),
        Value::Array(_) | Value::Object(_) => Cow::Owned(python_repr(value)),
    }
}

fn python_repr(value: &Value) -> String {
    match value {
        Value::String(text) => python_quoted(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(python_repr).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(map) => {
            let pair =
                |(key, value): (&String, &Value)| format!("{}: {}", python_quoted(key), python_repr(value));
            let items: Vec<String> = map.iter().map(pair).collect();
            format!("{{{}}}", items.join(", "))
        }
        scalar => python_text(scalar).into_owned(),
    }
}

/// The text of a Python list of strings.
pub fn python_list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let items: Vec<String> = items.map(python_quoted).collect();
    format!("[{}]", items.join(", "))
}

fn python_quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push(quote);
    for c in text.chars() {
        match c {
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c == quote => quoted.extend(['\\', c]),
            c => quoted.push(c),
        }
    }
    quoted.push(quote);
    quoted
}
