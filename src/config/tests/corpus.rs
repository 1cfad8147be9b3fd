//! What the real oslo.config makes of awkward files, and that we make the same of them.

use serde_json::Value as Json;

use crate::config::check::Topic;
use crate::config::load::load_with;
use crate::config::option::{ANY_INT, Group, Item, Kind, Opt, Place, opt, unset};
use crate::config::registry::Registry;
use crate::config::value::Value;
use crate::config::wired::Feature;
use crate::config::{Input, Sources};

use super::data;

/// The options that `tests/data/config/oslo/corpus.py` registers with oslo.config.
const OPTIONS: &[Opt] = &[
    unset("s", Kind::Text, ""),
    opt("t", Kind::Text, "tt", ""),
    opt("u", Kind::Text, "$grp.t2/x", ""),
    opt("i", Kind::Int(0, 10), "3", ""),
    unset("j", ANY_INT, ""),
    unset("f", Kind::Float(f64::MIN, f64::MAX), ""),
    unset("b", Kind::Bool, ""),
    unset("l", Kind::List(Item::Text), ""),
    unset("q", Kind::Bracketed(Item::Quoted), ""),
    unset("p", Kind::Bracketed(Item::Int(0, 65535)), ""),
    unset("d", Kind::Dict, ""),
    unset("m", Kind::Multi, ""),
    unset("c", Kind::Choice(&["one", "two"]), ""),
    unset("w", Kind::Word(&["one", "two"]), ""),
    unset("new", Kind::Text, "").alias(&[(Some("oldgrp"), "old")]),
    unset("many", Kind::Multi, "").alias(&[(None, "several")]),
];
const GRP: &[Opt] = &[
    unset("s", Kind::Text, ""),
    opt("t2", Kind::Text, "T2", ""),
    opt("n", ANY_INT, "7", ""),
    opt("flag", Kind::Bool, "true", ""),
];
const GROUPS: &[&[Group]] = &[&[
    Group { place: Place::Section("DEFAULT"), feature: Feature::Http, options: OPTIONS },
    Group { place: Place::Section("grp"), feature: Feature::Http, options: GRP },
]];

fn json(value: &Value) -> Json {
    match value {
        Value::Unset => Json::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(number) => i64::try_from(*number).unwrap().into(),
        Value::Float(number) => (*number).into(),
        Value::Text(text) => text.as_str().into(),
        Value::List(items) => items.clone().into(),
        Value::Dict(pairs) => pairs.iter().cloned().collect::<Json>(),
    }
}

/// Our lists hold texts only: the numbers of oslo.config's lists are compared as texts.
fn as_texts(value: &Json) -> Json {
    match value {
        Json::Array(items) => items
            .iter()
            .map(|item| match item {
                Json::Number(number) => Json::String(number.to_string()),
                other => other.clone(),
            })
            .collect(),
        other => other.clone(),
    }
}

/// Loads the files of a case; answers in the form of the corpus.
fn ask(case: &Json) -> Json {
    let dir = tempfile::tempdir().unwrap();
    let mut sources = Sources::default();
    for (number, text) in case["files"].as_array().unwrap().iter().enumerate() {
        let path = dir.path().join(format!("{number}.conf"));
        std::fs::write(&path, text.as_str().unwrap()).unwrap();
        sources.inputs.push(Input::File(path));
    }
    for (name, value) in case["env"].as_object().unwrap() {
        let value = value.as_str().unwrap().to_owned();
        sources.env.push((name.clone(), value));
    }
    let loaded = load_with(Registry::of(GROUPS), &sources);
    let findings: Vec<_> = loaded.report().errors().collect();
    if let Some(fault) = findings.iter().find(|f| f.topic == Topic::Syntax) {
        let place = fault.origin.to_string();
        let line: u64 = place.rsplit_once(':').unwrap().1.parse().unwrap();
        return serde_json::json!({ "line": line });
    }
    let mut answer = serde_json::Map::new();
    let mut bad: Vec<String> = Vec::new();
    for finding in &findings {
        let (section, option) = (finding.section.as_ref(), finding.option.as_ref());
        bad.push(format!("{}.{}", section.unwrap(), option.unwrap()));
    }
    let mut values = serde_json::Map::new();
    for (section, options, defaults) in
        [("DEFAULT", OPTIONS, &["t", "u", "i"][..]), ("grp", GRP, &["t2", "n", "flag"][..])]
    {
        for opt in options {
            let value = loaded.value_of(section, opt.name).unwrap();
            let unset = match value {
                Value::List(items) => items.is_empty() && !loaded.is_set(section, opt.name),
                value => *value == Value::Unset,
            };
            let default = match opt.name {
                "u" => "T2/x",
                name if defaults.contains(&name) => opt.default.unwrap(),
                _ => "",
            };
            let text = match json(value) {
                Json::String(text) => text,
                other => other.to_string(),
            };
            let same = defaults.contains(&opt.name) && text == default;
            if !unset && !same {
                values.insert(format!("{section}.{}", opt.name), json(value));
            }
        }
    }
    bad.sort();
    if !values.is_empty() {
        answer.insert("values".to_owned(), values.into());
    }
    if !bad.is_empty() {
        answer.insert("bad".to_owned(), bad.into());
    }
    answer.into()
}

/// Proves that values, faults and their lines are those of oslo.config, except where the corpus
/// says and explains what we do instead.
#[test]
fn corpus_gives_what_oslo_config_gives() {
    let text = std::fs::read_to_string(data("oslo/corpus.json")).unwrap();
    let cases: Vec<Json> = serde_json::from_str(&text).unwrap();
    assert!(cases.len() > 100);
    let mut wrong = Vec::new();
    for case in &cases {
        let mut expected = match case.get("ours") {
            Some(ours) => ours.clone(),
            None => case["oslo"].clone(),
        };
        let fields = expected.as_object_mut().unwrap();
        fields.remove("why");
        if let Some(values) = fields.get_mut("values").and_then(Json::as_object_mut) {
            values.values_mut().for_each(|value| *value = as_texts(value));
        }
        let answer = ask(case);
        if answer != expected {
            wrong.push(format!("{}: {answer} instead of {expected}", case["name"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
