//! Property protections: who may create, read, update and delete which custom property
//! (`glance/common/property_utils.py`, `glance/api/property_protections.py`).

use regex::Regex;

use crate::{
    model::{caller::Caller, error::Error, image::SYSTEM_PROPERTY_PREFIX},
    policy::{Empty, Enforcer, Expression},
};

/// The operation on a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names are the documentation
pub enum Action {
    Create,
    Read,
    Update,
    Delete,
}

impl Action {
    const ALL: [Self; 4] = [Self::Create, Self::Read, Self::Update, Self::Delete];

    fn key(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// `property_protection_rule_format`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleFormat {
    /// Lists of role names.
    Roles,
    /// Names of policy rules.
    Policies,
}

#[derive(Clone, Debug)]
enum Permission {
    Everyone,
    Nobody,
    Roles(Vec<String>),
    Policy(Expression),
}

/// The operator's protections, in file order; the first section whose expression is found in a name decides.
#[derive(Clone, Debug)]
pub struct Protections {
    sections: Vec<(Regex, [Permission; 4])>,
}

impl Protections {
    /// Reads the text of a protection file.
    ///
    /// # Errors
    /// A sentence that names the line or section at fault.
    pub fn parse(text: &str, format: RuleFormat) -> Result<Self, String> {
        let mut sections = Vec::new();
        let mut current: Option<(String, Vec<(String, String)>)> = None;
        for (number, line) in text.lines().enumerate() {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                sections.extend(current.take());
                current = Some((name.to_owned(), Vec::new()));
                continue;
            }
            let (key, value) = trimmed
                .split_once(['=', ':'])
                .ok_or_else(|| format!("line {}: neither a section nor key = value", number + 1))?;
            let (_, entries) =
                current.as_mut().ok_or_else(|| format!("line {}: before the first section", number + 1))?;
            entries.push((key.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
        sections.extend(current);
        let sections = sections
            .into_iter()
            .filter(|(name, _)| !name.starts_with(SYSTEM_PROPERTY_PREFIX))
            .map(|(name, entries)| read_section(&name, &entries, format))
            .collect::<Result<_, _>>()?;
        Ok(Self { sections })
    }

    /// Whether the caller may do this to a property of this name. Roles of a service token count too.
    pub fn allow(&self, policy: &Enforcer, caller: &Caller, action: Action, name: &str) -> bool {
        match self.permission(action, name) {
            Permission::Everyone => true,
            Permission::Nobody => false,
            Permission::Roles(roles) => roles.iter().any(|role| {
                caller.has_role(role) || caller.service_roles.iter().any(|r| r.eq_ignore_ascii_case(role))
            }),
            Permission::Policy(rule) => policy.rules().allows_expression(rule, caller, &Empty),
        }
    }

    fn permission(&self, action: Action, name: &str) -> &Permission {
        if name.starts_with(SYSTEM_PROPERTY_PREFIX) {
            return &Permission::Everyone;
        }
        let section = self.sections.iter().find(|(expression, _)| expression.is_match(name));
        let place = Action::ALL.iter().position(|a| *a == action);
        section.zip(place).and_then(|((_, permissions), i)| permissions.get(i)).unwrap_or(&Permission::Nobody)
    }
}

fn read_section(
    name: &str,
    entries: &[(String, String)],
    format: RuleFormat,
) -> Result<(Regex, [Permission; 4]), String> {
    let expression =
        Regex::new(name).map_err(|e| format!("section [{name}]: not a regular expression: {e}"))?;
    let permission = |action: Action| {
        let value =
            entries.iter().rev().find(|(key, _)| key == action.key()).map(|(_, value)| value.as_str());
        let value = value.ok_or_else(|| format!("section [{name}]: {} is missing", action.key()))?;
        let items: Vec<String> =
            value.split(',').map(|item| item.trim().to_lowercase()).filter(|i| !i.is_empty()).collect();
        let has = |mark: &str| items.iter().any(|item| item == mark);
        match (has("@"), has("!"), format) {
            (true, true, _) => Err(format!("section [{name}]: {} has both @ and !", action.key())),
            (true, false, _) => Ok(Permission::Everyone),
            (false, true, _) => Ok(Permission::Nobody),
            (false, false, RuleFormat::Roles) => Ok(Permission::Roles(items)),
            (false, false, RuleFormat::Policies) if value.contains(',') => {
                Err(format!("section [{name}]: {} may name one policy rule only", action.key()))
            }
            (false, false, RuleFormat::Policies) if value.trim().is_empty() => Ok(Permission::Nobody),
            (false, false, RuleFormat::Policies) => {
                Ok(Permission::Policy(Expression::reference(value.trim())))
            }
        }
    };
    let [create, read, update, delete] = Action::ALL.map(permission);
    Ok((expression, [create?, read?, update?, delete?]))
}

/// The refusal to touch a protected property.
pub fn refused(name: &str) -> Error {
    Error::forbidden(format!("Property '{name}' is protected."))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_first_section_found_in_the_name_decides_and_none_is_no() {
        let text = "# comment\n[^x_owner_.*]\ncreate = admin, Member\nread = @\nupdate = !\ndelete =\n\n\
                    [.*secret]\ncreate: admin\nread: admin\nupdate: admin\ndelete: admin\n\
                    [os_glance_.*]\ncreate = !\nread = !\nupdate = !\ndelete = !\n";
        let protections = Protections::parse(text, RuleFormat::Roles).unwrap();
        let roles = |names: &[&str]| Permission::Roles(names.iter().map(|n| (*n).to_owned()).collect());
        for (action, name, expected) in [
            (Action::Create, "x_owner_secret", roles(&["admin", "member"])),
            (Action::Read, "x_owner_secret", Permission::Everyone),
            (Action::Update, "x_owner_a", Permission::Nobody),
            (Action::Delete, "x_owner_a", roles(&[])),
            (Action::Read, "my_secret_thing", roles(&["admin"])),
            (Action::Read, "other", Permission::Nobody),
            (Action::Read, "os_glance_failed_import", Permission::Everyone),
        ] {
            let found = format!("{:?}", protections.permission(action, name));
            assert_eq!(found, format!("{expected:?}"), "{action:?} {name}");
        }
    }

    #[test]
    fn faulty_files_are_refused_with_their_place() {
        for (text, format, place) in [
            ("create = a\n", RuleFormat::Roles, "line 1"),
            ("[a]\nnonsense\n", RuleFormat::Roles, "line 2"),
            ("[a]\ncreate = x\nread = x\nupdate = x\n", RuleFormat::Roles, "delete"),
            ("[a(]\ncreate = x\nread = x\nupdate = x\ndelete = x\n", RuleFormat::Roles, "[a(]"),
            ("[a]\ncreate = @,!\nread = x\nupdate = x\ndelete = x\n", RuleFormat::Roles, "@ and !"),
            ("[a]\ncreate = x,y\nread = x\nupdate = x\ndelete = x\n", RuleFormat::Policies, "one policy"),
        ] {
            let fault = Protections::parse(text, format).unwrap_err();
            assert!(fault.contains(place), "{text:?}: {fault}");
        }
    }
}
