//! Rules of placement: into which store an image goes whose client names none.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    error::{Error, Result},
    image::{Image, Visibility},
    lifecycle,
    storage::{Terms, text, texts},
    time::Timestamp,
};

/// What a rule may ask about an image.
pub const CONDITIONS: [&str; 6] =
    ["image_type", "disk_format", "visibility", "project", "source_host", "source_zone"];
/// Values of one condition at most.
const VALUES_MAX: usize = 100;
/// Places in the order go from 0 to this.
const POSITION_MAX: i64 = 1_000_000;
/// The `image_type` of an image that says none.
const PLAIN: &str = "image";
const MEMBERS: [&str; 4] = ["when", "store", "position", "description"];

/// What an image is, as far as rules ask: a value for each condition that it has one for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts(BTreeMap<&'static str, String>);

impl Facts {
    /// Those of an image. Its type and where it comes from are properties.
    pub fn of(image: &Image) -> Self {
        let property = |name: &str| lifecycle::text(image, name).map(str::to_owned);
        let pairs = [
            ("image_type", property("image_type").or_else(|| Some(PLAIN.to_owned()))),
            ("disk_format", image.disk_format.clone()),
            ("visibility", Some(image.visibility.as_str().to_owned())),
            ("project", image.owner.clone()),
            ("source_host", property("source_host")),
            ("source_zone", property("source_zone")),
        ];
        Self(pairs.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }

    /// Those of an image that need not be there.
    ///
    /// # Errors
    /// [`Error::Invalid`], which names the member.
    pub fn parse(value: &Value) -> Result<Self> {
        let object = value.as_object().ok_or_else(|| Error::invalid("image must be an object."))?;
        let mut facts = BTreeMap::from([("image_type", PLAIN.to_owned())]);
        for (name, value) in object {
            facts.insert(condition(name)?, text(name, value)?);
        }
        Ok(Self(facts))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// As the API shows them.
    pub fn to_json(&self) -> Value {
        json!(self.0)
    }
}

fn condition(name: &str) -> Result<&'static str> {
    CONDITIONS.into_iter().find(|known| *known == name).ok_or_else(|| {
        Error::invalid(format!("{name:?} is no condition; those are {}.", CONDITIONS.join(", ")))
    })
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its id.
    pub id: String,
    /// Its place in the order; of two in one place the older comes first.
    pub position: i64,
    /// What it is for, in words.
    pub description: Option<String>,
    /// The values that each condition takes; an image has to meet all conditions.
    pub when: BTreeMap<String, Vec<String>>,
    /// The store of images that do.
    pub store: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

impl Rule {
    /// A new rule as a body describes it, and whether that says its place; without, it is the last.
    ///
    /// # Errors
    /// [`Error::Invalid`], which names the member.
    pub fn parse(body: &Value, id: String, now: Timestamp) -> Result<(Self, bool)> {
        let made = Self {
            id,
            position: 0,
            description: None,
            when: BTreeMap::new(),
            store: String::new(),
            created_at: now,
            updated_at: now,
        };
        let made = made.changed(body, now)?;
        if made.store.is_empty() {
            return Err(Error::invalid("store must name a store."));
        }
        Ok((made, body.get("position").is_some()))
    }

    /// This rule as a body changes it.
    ///
    /// # Errors
    /// As [`Rule::parse`].
    pub fn changed(mut self, body: &Value, now: Timestamp) -> Result<Self> {
        let object = body.as_object().ok_or_else(|| Error::invalid("An object is expected."))?;
        if let Some(name) = object.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
            return Err(Error::invalid(format!("There is no member {name:?} here.")));
        }
        if let Some(value) = object.get("when") {
            self.when = conditions(value)?;
        }
        if let Some(value) = object.get("store") {
            self.store = text("store", value)?;
        }
        if let Some(value) = object.get("position") {
            let wrong =
                || Error::invalid(format!("position must be a whole number from 0 to {POSITION_MAX}."));
            self.position = value.as_i64().filter(|n| (0..=POSITION_MAX).contains(n)).ok_or_else(wrong)?;
        }
        match object.get("description") {
            None => {}
            Some(Value::Null) => self.description = None,
            Some(value) => self.description = Some(text("description", value)?),
        }
        self.updated_at = now;
        Ok(self)
    }

    /// The place after another one.
    pub fn place_after(position: i64) -> i64 {
        position.saturating_add(10).min(POSITION_MAX)
    }

    /// The condition that an image does not meet, if there is one.
    fn unmet(&self, facts: &Facts) -> Option<&str> {
        let meets = |name: &str, values: &[String]| {
            facts.get(name).is_some_and(|fact| values.iter().any(|v| v == fact))
        };
        self.when.iter().find(|(name, values)| !meets(name, values)).map(|(name, _)| name.as_str())
    }

    /// As the API shows it.
    pub fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "position": self.position,
            "description": self.description,
            "when": self.when,
            "store": self.store,
            "created_at": self.created_at.isotime(),
            "updated_at": self.updated_at.isotime(),
        })
    }
}

/// Conditions, each with a value or a list of them.
fn conditions(value: &Value) -> Result<BTreeMap<String, Vec<String>>> {
    let object: &Map<String, Value> =
        value.as_object().ok_or_else(|| Error::invalid("when must be an object."))?;
    let mut when = BTreeMap::new();
    for (name, value) in object {
        condition(name)?;
        let values = match value {
            Value::Array(_) => texts(name, value, VALUES_MAX)?,
            value => vec![text(name, value)?],
        };
        if values.is_empty() {
            return Err(Error::invalid(format!("{name} must have a value.")));
        }
        let unknown = |value: &&String| Visibility::ALL.iter().all(|known| known.as_str() != value.as_str());
        if let Some(other) = values.iter().find(unknown).filter(|_| name == "visibility") {
            return Err(Error::invalid(format!("{other:?} is no visibility.")));
        }
        when.insert(name.clone(), values);
    }
    Ok(when)
}

/// A store that an image might go to.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Its id.
    pub id: &'a str,
    /// Preference among those that are bound to one host.
    pub weight: i64,
    /// Whether it takes data.
    pub takes_data: bool,
    /// How it is to be used.
    pub terms: &'a Terms,
}

/// Why an image goes where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// By the rule of this id.
    Rule(String),
    /// The store is bound to where the image comes from.
    Binding,
    /// The store is the default.
    Default,
}

/// A rule that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The id of the rule.
    pub rule: String,
    /// Its store.
    pub store: String,
    /// In words whether it took the image, or why not.
    pub outcome: String,
}

/// Where an image goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The store.
    pub store: String,
    /// Why.
    pub why: Why,
    /// The rules that were looked at, in their order.
    pub steps: Vec<Step>,
}

/// Decides where an image goes: by the first rule whose conditions it meets and whose store can have it; without such a
/// rule into the heaviest store that is bound to where it comes from; else into the default store.
pub fn decide(rules: &[Rule], facts: &Facts, stores: &[Candidate<'_>], default: &str) -> Decision {
    let (host, zone) = (facts.get("source_host"), facts.get("source_zone"));
    let mut steps = Vec::new();
    for rule in rules {
        let store = stores.iter().find(|candidate| candidate.id == rule.store);
        let outcome = match (rule.unmet(facts), store) {
            (Some(name), _) => format!("{name} is another"),
            (None, None) => "there is no such store".to_owned(),
            (None, Some(store)) if !store.takes_data => "the store takes no data".to_owned(),
            (None, Some(store)) if store.terms.is_bound() && !store.terms.serves(host, zone) => {
                "the store is bound to other hosts and zones".to_owned()
            }
            (None, Some(_)) => String::new(),
        };
        let is_chosen = outcome.is_empty();
        let outcome = if is_chosen { "it takes the image".to_owned() } else { outcome };
        steps.push(Step { rule: rule.id.clone(), store: rule.store.clone(), outcome });
        if is_chosen {
            return Decision { store: rule.store.clone(), why: Why::Rule(rule.id.clone()), steps };
        }
    }
    let bound = stores.iter().filter(|store| store.takes_data && store.terms.serves(host, zone));
    match bound.min_by_key(|store| (std::cmp::Reverse(store.weight), store.id)) {
        Some(store) => Decision { store: store.id.to_owned(), why: Why::Binding, steps },
        None => Decision { store: default.to_owned(), why: Why::Default, steps },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn rule(id: &str, when: Value, store: &str) -> Rule {
        Rule::parse(&json!({"when": when, "store": store}), id.to_owned(), Timestamp(1)).unwrap().0
    }

    fn facts(value: Value) -> Facts {
        Facts::parse(&value).unwrap()
    }

    /// Proves that the first rule decides that an image meets in all conditions, if its store can have the image; and that
    /// then bindings count, by weight, and at last the default.
    #[test]
    fn the_first_rule_that_fits_decides() {
        let (free, closed) = (Terms::default(), Terms { read_only: true, ..Terms::default() });
        let bound = Terms { hosts: vec!["hv1".to_owned()], ..Terms::default() };
        let store = |id, weight, takes_data, terms| Candidate { id, weight, takes_data, terms };
        let stores = [
            store("a", 0, true, &free),
            store("closed", 0, false, &closed),
            store("near", 1, true, &bound),
            store("nearer", 2, true, &bound),
        ];
        let rules = [
            rule("1", json!({"disk_format": "iso", "visibility": ["public", "shared"]}), "closed"),
            rule("2", json!({"disk_format": "iso"}), "near"),
            rule("3", json!({"image_type": "snapshot"}), "gone"),
            rule("4", json!({"image_type": "snapshot", "project": "p"}), "a"),
        ];
        let decided = |value| {
            let decision = decide(&rules, &facts(value), &stores, "default");
            (decision.store, decision.why, decision.steps.len())
        };
        let by = |id: &str| Why::Rule(id.to_owned());
        let iso = json!({"disk_format": "iso", "visibility": "public", "source_host": "hv1"});
        assert_eq!(decided(iso), ("near".to_owned(), by("2"), 2));
        let snapshot = json!({"image_type": "snapshot", "project": "p", "source_host": "hv1"});
        assert_eq!(decided(snapshot), ("a".to_owned(), by("4"), 4));
        assert_eq!(decided(json!({"source_host": "hv1"})), ("nearer".to_owned(), Why::Binding, 4));
        assert_eq!(decided(json!({"disk_format": "iso"})), ("default".to_owned(), Why::Default, 4));
        let steps =
            decide(&rules, &facts(json!({"disk_format": "iso", "visibility": "shared"})), &stores, "d").steps;
        let outcomes: Vec<_> = steps.iter().map(|step| step.outcome.as_str()).collect();
        let other = "image_type is another";
        let expected =
            ["the store takes no data", "the store is bound to other hosts and zones", other, other];
        assert_eq!(outcomes, expected);
    }

    /// Proves that wrong rules are refused, and that a rule without conditions takes everything.
    #[test]
    fn rules_are_checked() {
        for wrong in [
            json!({"when": {"colour": "red"}, "store": "a"}),
            json!({"when": {"disk_format": []}, "store": "a"}),
            json!({"when": {"disk_format": 1}, "store": "a"}),
            json!({"when": {"visibility": "secret"}, "store": "a"}),
            json!({"when": []}),
            json!({"when": {}}),
            json!({"store": ""}),
            json!({"store": "a", "position": -1}),
            json!({"store": "a", "position": 1_000_001}),
            json!({"store": "a", "name": "x"}),
            json!([]),
        ] {
            assert!(Rule::parse(&wrong, "1".to_owned(), Timestamp(1)).is_err(), "{wrong}");
        }
        assert_eq!(rule("1", json!({}), "a").unmet(&Facts::default()), None);
    }
}
