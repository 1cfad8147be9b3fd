//! Decides which images of a project a retention rule keeps, and why.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    error::{Error, Result},
    family::{FAMILY_PROPERTY, Line, VALIDITY_PROPERTY},
    lifecycle::Act,
    status::Status,
    time::Timestamp,
};

/// Seconds of a day.
const DAY: i64 = 24 * 3600;
/// Days, and images, that a rule can name.
const NUMBER_MAX: u64 = 36_500;

/// What happens to images that nothing keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// They are retired.
    Retire,
    /// They are deleted.
    Delete,
}

impl Fate {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retire => "retire",
            Self::Delete => "delete",
        }
    }
}

/// Which images are kept whatever their age.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeepIf {
    /// Those that have consumers. They are never deleted, whatever this says.
    pub in_use: bool,
    /// Those that are protected. They are never deleted, whatever this says.
    pub protected: bool,
    /// Those with this tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

impl Default for KeepIf {
    fn default() -> Self {
        Self { in_use: true, protected: true, tag: None }
    }
}

/// Whether images go before the end of their life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BeforeEol {
    /// Never.
    #[default]
    Never,
    /// As others do.
    Allow,
}

/// A rule of a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// So many of the newest images of each family stay.
    pub keep_last: u64,
    /// Images up to this many days old stay.
    #[serde(default)]
    pub keep_days: u64,
    /// Further conditions that keep an image.
    #[serde(default)]
    pub keep_if: KeepIf,
    /// What happens to the others.
    pub action: Fate,
    /// Whether that happens before the end of their life.
    #[serde(default)]
    pub before_eol: BeforeEol,
}

impl Rule {
    /// Reads a rule.
    ///
    /// # Errors
    /// [`Error::Invalid`]
    pub fn parse(value: &Value) -> Result<Self> {
        // A list of values would be read as the members in their order.
        let is_object = |value: Option<&Value>| value.is_none_or(Value::is_object);
        if !value.is_object() || !is_object(value.get("keep_if")) {
            return Err(Error::invalid("A rule is an object, and so is its keep_if."));
        }
        let rule: Self =
            serde_json::from_value(value.clone()).map_err(|e| Error::invalid(format!("The rule: {e}.")))?;
        if rule.keep_last == 0 || rule.keep_last > NUMBER_MAX || rule.keep_days > NUMBER_MAX {
            return Err(Error::invalid(format!(
                "keep_last is a number from 1 to {NUMBER_MAX}, and keep_days from 0 to {NUMBER_MAX}."
            )));
        }
        if rule.keep_if.tag.as_ref().is_some_and(|tag| tag.is_empty() || tag.chars().count() > 255) {
            return Err(Error::invalid("A tag has 1 to 255 characters."));
        }
        Ok(rule)
    }

    /// As the API shows it.
    pub fn to_json(&self) -> Value {
        json!(self)
    }
}

/// The decision of a rule about an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The image.
    pub id: String,
    /// Why it stays; `None` if it does not.
    pub kept: Option<&'static str>,
}

/// Additional facts about the images of a project.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Those that have consumers.
    pub used: HashSet<String>,
    /// Those with the tag of the rule.
    pub tagged: HashSet<String>,
    /// Those that were published last in their families.
    pub published: HashSet<String>,
}

/// Judges images by a rule, those of each family by themselves, the newest of each first.
pub fn judge(rule: &Rule, lines: &[Line], known: &Known, now: Timestamp) -> Vec<Verdict> {
    let mut families = BTreeMap::<&str, Vec<&Line>>::new();
    for line in lines {
        families.entry(line.property(FAMILY_PROPERTY).unwrap_or_default()).or_default().push(line);
    }
    let mut verdicts = Vec::with_capacity(lines.len());
    for mut family in families.into_values() {
        family.sort_by(|a, b| b.age().cmp(&a.age()));
        let published = |line: &&Line| line.may_be_current(now) && known.published.contains(&line.id);
        let current = family.iter().position(published);
        let current = current.or_else(|| family.iter().position(|line| line.may_be_current(now)));
        let mut counted = 0_u64;
        for (place, line) in family.iter().enumerate() {
            let has_data = matches!(line.status, Status::Active | Status::Deactivated);
            let kept = if !has_data {
                Some("no-data")
            } else if current == Some(place) {
                Some("current")
            } else {
                reason(rule, line, counted, known, now)
            };
            counted = counted.saturating_add(u64::from(has_data));
            verdicts.push(Verdict { id: line.id.clone(), kept });
        }
    }
    verdicts
}

/// Why an image with `newer` newer ones of its family stays.
fn reason(rule: &Rule, line: &Line, newer: u64, known: &Known, now: Timestamp) -> Option<&'static str> {
    let deletes = rule.action == Fate::Delete;
    let since = now.plus_seconds(-i64::try_from(rule.keep_days).unwrap_or(i64::MAX).saturating_mul(DAY));
    let ends = [Act::Obsolete.property(), "provided_until", "maintained_until"];
    let lives = ends.into_iter().filter_map(|name| line.date(name)).any(|end| end > now);
    let is_used = known.used.contains(&line.id);
    [
        (!deletes && line.is_retired(), "retired"),
        (line.protected && (deletes || rule.keep_if.protected), "protected"),
        (is_used && (deletes || rule.keep_if.in_use), "in-use"),
        (known.tagged.contains(&line.id), "tag"),
        (newer < rule.keep_last, "keep-last"),
        (rule.keep_days > 0 && line.created_at > since, "keep-days"),
        (promised(line, newer, now), "uuid-validity"),
        (lives && rule.before_eol == BeforeEol::Never, "before-eol"),
    ]
    .into_iter()
    .find_map(|(keeps, reason)| keeps.then_some(reason))
}

/// Whether the owner has promised that the id of an image stays. What nobody understands is a promise too.
fn promised(line: &Line, newer: u64, now: Timestamp) -> bool {
    match line.property(VALIDITY_PROPERTY) {
        None | Some("none") => false,
        Some(text) => match (text.strip_prefix("last-"), Timestamp::parse_iso(text)) {
            (Some(count), _) => {
                count.parse::<u64>().is_ok_and(|count| newer < count) || count.parse::<u64>().is_err()
            }
            (None, Some(until)) => until > now,
            (None, None) => true,
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn line(id: &str, days_old: i64, properties: &[(&str, &str)]) -> Line {
        Line {
            id: id.to_owned(),
            status: Status::Active,
            os_hidden: false,
            protected: false,
            created_at: now().plus_seconds(-days_old * DAY),
            properties: properties.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        }
    }

    fn now() -> Timestamp {
        Timestamp::parse_iso("2026-12-01").unwrap()
    }

    /// Proves each reason to keep an image, in an order where the stricter one wins.
    #[test]
    fn each_reason_keeps() {
        let rule = Rule::parse(
            &json!({"keep_last": 2, "keep_days": 30, "action": "delete", "keep_if": {"tag": "golden"}}),
        );
        let rule = rule.unwrap();
        let mut lines = vec![
            line("current", 1, &[]),
            line("second", 40, &[]),
            line("old", 41, &[]),
            line("used", 42, &[]),
            line("golden", 43, &[]),
            line("forever", 44, &[("uuid_validity", "forever")]),
            line("notice", 45, &[("uuid_validity", "notice")]),
            line("until", 46, &[("uuid_validity", "2027-01-01")]),
            line("until-past", 47, &[("uuid_validity", "2026-01-01")]),
            line("last-11", 48, &[("uuid_validity", "last-11")]),
            line("last-3", 49, &[("uuid_validity", "last-3")]),
            line("lives", 50, &[("maintained_until", "2027-01-01")]),
            line("nothing", 51, &[("uuid_validity", "none"), ("provided_until", "2026-01-01")]),
            line("other", 400, &[("image_family", "other")]),
        ];
        lines.push(Line { protected: true, ..line("protected", 52, &[]) });
        lines.push(Line { status: Status::Queued, ..line("queued", 53, &[]) });
        lines.push(Line { os_hidden: true, ..line("young", 20, &[]) });
        let set = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        let known = Known { used: set(&["used"]), tagged: set(&["golden"]), ..Known::default() };
        let verdicts = judge(&rule, &lines, &known, now());
        let kept = |id: &str| verdicts.iter().find(|verdict| verdict.id == id).unwrap().kept;
        for (id, reason) in [
            ("current", Some("current")),
            ("young", Some("keep-last")),
            ("second", None),
            ("old", None),
            ("used", Some("in-use")),
            ("golden", Some("tag")),
            ("forever", Some("uuid-validity")),
            ("notice", Some("uuid-validity")),
            ("until", Some("uuid-validity")),
            ("until-past", None),
            ("last-11", Some("uuid-validity")),
            ("last-3", None),
            ("lives", Some("before-eol")),
            ("nothing", None),
            ("other", Some("current")),
            ("protected", Some("protected")),
            ("queued", Some("no-data")),
        ] {
            assert_eq!(kept(id), reason, "{id}");
        }
        let lax = json!({"keep_last": 1, "action": "retire", "before_eol": "allow",
            "keep_if": {"in_use": false, "protected": false}});
        let verdicts = judge(&Rule::parse(&lax).unwrap(), &lines, &Known::default(), now());
        let kept = |id: &str| verdicts.iter().find(|verdict| verdict.id == id).unwrap().kept;
        assert_eq!(["lives", "protected", "young"].map(kept), [None, None, None]);
    }

    /// Proves that a rule that would keep nothing, or says what nobody reads, is none.
    #[test]
    fn bad_rules_are_refused() {
        for bad in [
            json!({}),
            json!({"keep_last": 0, "action": "delete"}),
            json!({"keep_last": 36501, "action": "delete"}),
            json!({"keep_last": 1}),
            json!({"keep_last": 1, "action": "burn"}),
            json!({"keep_last": 1, "action": "retire", "colour": "red"}),
            json!({"keep_last": 1, "action": "retire", "keep_if": {"colour": "red"}}),
            json!({"keep_last": 1, "action": "retire", "keep_if": {"tag": ""}}),
            json!({"keep_last": 1, "action": "retire", "before_eol": "perhaps"}),
            json!([]),
            json!([1, 0, {}, "retire", "never"]),
            json!({"keep_last": 1, "action": "retire", "keep_if": []}),
        ] {
            Rule::parse(&bad).expect_err(&bad.to_string());
        }
    }
}
