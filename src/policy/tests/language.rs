//! The policy language, compared with oslo.policy's decisions and with a plain model.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::policy::atom::{Left, Template};

const CASES: &str = include_str!("../../../tests/data/policy_cases.json");

fn strings(value: &Value) -> Vec<String> {
    let items = value.as_array().into_iter().flatten();
    items.map(|item| item.as_str().unwrap().to_owned()).collect()
}

fn caller_of(creds: &Value) -> Caller {
    let text = |name: &str| creds[name].as_str().map(str::to_owned);
    Caller {
        user_id: text("user_id"),
        project_id: text("project_id"),
        system_scope: text("system_scope"),
        service_user_id: text("service_user_id"),
        roles: strings(&creds["roles"]),
        service_roles: strings(&creds["service_roles"]),
        is_admin_project: creds["is_admin_project"].as_bool().unwrap_or(true),
        ..Caller::default()
    }
}

fn target_of(map: &Value) -> MapTarget {
    let entries = map.as_object().unwrap().iter();
    entries.fold(MapTarget::new(), |target, (key, value)| target.with(key.clone(), value.clone()))
}

fn expression_of(check: &Value) -> Expression {
    let item = |item: &Value| match item.as_str() {
        Some(text) => ListItem::Check(text.to_owned()),
        None => ListItem::All(strings(item)),
    };
    match check {
        Value::String(text) => Expression::parse(text).unwrap_or_else(|_| Expression::never()),
        list => {
            let items: Vec<ListItem> = list.as_array().unwrap().iter().map(item).collect();
            Expression::from_list(&items)
        }
    }
}

/// Every decision, and every exception, is the one that oslo.policy comes to.
#[test]
fn decides_as_oslo_policy_does() {
    let table: Value = serde_json::from_str(CASES).unwrap();
    let callers: Vec<Caller> = table["callers"].as_array().unwrap().iter().map(caller_of).collect();
    let targets: Vec<MapTarget> = table["targets"].as_array().unwrap().iter().map(target_of).collect();
    let mut files = Files::with(&table["helpers"].to_string());
    let mut wrong = Vec::new();
    for (default_rule, cases) in table["cases"].as_object().unwrap() {
        files.settings.policy_default_rule = default_rule.clone();
        let rules = files.enforcer().rules();
        for case in cases.as_array().unwrap() {
            let expression = expression_of(&case[0]);
            let mut ours = String::new();
            for caller in &callers {
                for target in &targets {
                    let outcome = Evaluation::new(&rules, caller, target).decide(&expression.node);
                    ours.push(match outcome {
                        Ok(true) => '1',
                        Ok(false) => '0',
                        Err(_) => 'e',
                    });
                    let allowed = rules.allows_expression(&expression, caller, target);
                    assert_eq!(allowed, outcome == Ok(true), "{}", case[0]);
                }
            }
            if ours != case[1].as_str().unwrap() {
                wrong.push(format!("{}: oslo {} ours {ours}", case[0], case[1]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whatever stands in a check string, reading it ends with a tree or an error, and a tree decides.
#[test]
fn nesting_and_length_are_bounded() {
    let nested = |depth| format!("{}@{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Expression::parse(&nested(60)).is_ok());
    assert!(Expression::parse(&nested(100_000 / 4)).is_err());
    assert!(Expression::parse(&"not ".repeat(10_000)).is_err());
    assert!(Expression::parse(&"@ or ".repeat(20_000)).is_err());
    let wide = format!("{}@", "@ and ".repeat(10_000));
    let rules = Files::new().enforcer().rules();
    assert!(rules.allows_expression(&Expression::parse(&wide).unwrap(), &caller("p", &[]), &Empty));
}

/// Rules that refer to each other twice at every level are cut off, not evaluated for ever.
#[test]
fn references_cannot_explode() {
    let mut text = "r40: '!'\n".to_owned();
    for level in 0..40 {
        text.push_str(&format!("r{level}: rule:r{0} or rule:r{0}\n", level + 1));
    }
    let rules = Files::with(&text).enforcer().rules();
    assert!(!rules.allows_expression(&Expression::reference("r0"), &caller("p", &[]), &Empty));
}

/// A cycle denies, even under `not`, and overflows no stack.
#[test]
fn cycles_deny() {
    let files = Files::with("get_image: not rule:a\na: (((rule:b)))\nb: not (not rule:a)\n");
    let enforcer = files.enforcer();
    assert!(!enforcer.allows("get_image", &caller("p", &["admin"]), &Empty));
    assert_eq!(enforcer.rules().bad_references().cyclic, ["a", "b"]);
}

/// The canonical text of a tree reads back as a tree that decides the same.
#[test]
fn canonical_text_reads_back() {
    for text in ["", "@", "not (a:b or role:x and rule:y)", "http://h/%(id)s and not (not !)"] {
        let canonical = Expression::parse(text).unwrap().to_string();
        let again = Expression::parse(&canonical).unwrap().to_string();
        assert_eq!(canonical, again, "{text}");
    }
}

/// A boolean formula and how it is written with no more parentheses than needed.
#[derive(Clone, Debug)]
enum Formula {
    Constant(bool),
    Not(Box<Formula>),
    And(Box<Formula>, Box<Formula>),
    Or(Box<Formula>, Box<Formula>),
}

impl Formula {
    fn value(&self) -> bool {
        match self {
            Self::Constant(value) => *value,
            Self::Not(inner) => !inner.value(),
            Self::And(a, b) => a.value() && b.value(),
            Self::Or(a, b) => a.value() || b.value(),
        }
    }

    /// Binding strength: `or` 0, `and` 1, `not` 2.
    fn text(&self, strength: usize) -> String {
        let (own, text) = match self {
            Self::Constant(true) => (3, "@".to_owned()),
            Self::Constant(false) => (3, "!".to_owned()),
            Self::Not(inner) => (2, format!("not {}", inner.text(2))),
            Self::And(a, b) => (1, format!("{} AND {}", a.text(1), b.text(1))),
            Self::Or(a, b) => (0, format!("{}\n or {}", a.text(0), b.text(0))),
        };
        if own < strength { format!("({text} )") } else { text }
    }
}

fn formula() -> impl Strategy<Value = Formula> {
    let leaf = any::<bool>().prop_map(Formula::Constant);
    leaf.prop_recursive(6, 64, 2, |inner| {
        let pair = (inner.clone(), inner.clone());
        prop_oneof![
            inner.prop_map(|a| Formula::Not(Box::new(a))),
            pair.clone().prop_map(|(a, b)| Formula::And(Box::new(a), Box::new(b))),
            pair.prop_map(|(a, b)| Formula::Or(Box::new(a), Box::new(b))),
        ]
    })
}

proptest! {
    #[test]
    fn not_binds_before_and_before_or(formula in formula()) {
        let rules = Rules::build(&Settings::default(), &Default::default());
        let expression = Expression::parse(&formula.text(0)).unwrap();
        let decided = rules.allows_expression(&expression, &caller("p", &[]), &Empty);
        prop_assert_eq!(decided, formula.value(), "{}", formula.text(0));
    }

    #[test]
    fn no_text_breaks_the_reader(text in "\\PC*|[ ()@!:%a'\"-]{0,40}|(and|or|not|[(): %s'.é]){0,30}") {
        let rules = Rules::build(&Settings::default(), &Default::default());
        let target = MapTarget::new().with("a", "x");
        if let Ok(expression) = Expression::parse(&text) {
            rules.allows_expression(&expression, &caller("p", &["a"]), &target);
        }
        let list = Expression::from_list(&[ListItem::Check(text.clone())]);
        rules.allows_expression(&list, &caller("p", &["a"]), &target);
        let _ = Template::parse(&text).render(&target);
        let _ = Left::parse(&text);
    }
}
