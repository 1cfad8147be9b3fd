//! The router's map, read from its source: the text is as regular as a table, and the router cannot be asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use regex::Regex;

/// What one path answers.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// The text of `Allow`; `any` when one handler takes every method.
    pub allow: String,
    pub methods: BTreeSet<String>,
}

/// Every path of the Image API.
pub fn read() -> BTreeMap<String, Route> {
    let mut routes = BTreeMap::new();
    read_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api"), &mut routes);
    routes
}

fn read_folder(folder: &Path, routes: &mut BTreeMap<String, Route>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("identity") {
            read_folder(&path, routes);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            read_text(&fs::read_to_string(&path).unwrap(), routes);
        }
    }
}

fn read_text(text: &str, routes: &mut BTreeMap<String, Route>) {
    let constant = Regex::new(r#"const (\w+): &str = ("/[^"]*");"#).unwrap();
    let named: BTreeMap<&str, &str> = constant
        .captures_iter(text)
        .map(|c| (c.get(1).unwrap().as_str(), c.get(2).unwrap().as_str()))
        .collect();
    let resource = Regex::new(r#"resource\(\s*("/[^"]*"|[A-Z_]+)(?:,\s*"([^"]*)")?,?\s*\)"#).unwrap();
    // Handlers named like a method let it go by another name.
    let method = Regex::new(r"\.route\(\s*(?:web::)?(?:on_|by_)?(\w+)\(\)").unwrap();
    // What a parameter may be is for the schemas of the document.
    let parameter = Regex::new(r"\{(\w+):[^}]*\}").unwrap();
    let starts: Vec<_> = resource.captures_iter(text).collect();
    for (index, found) in starts.iter().enumerate() {
        let begin = found.get(0).unwrap().end();
        let end = starts.get(index + 1).map_or(text.len(), |next| next.get(0).unwrap().start());
        let methods: BTreeSet<String> =
            method.captures_iter(&text[begin..end]).map(|m| m[1].to_uppercase()).collect();
        let allow = found.get(2).map_or("", |allow| allow.as_str());
        let allow = if methods.is_empty() { "any" } else { allow };
        let route = Route { allow: allow.to_owned(), methods };
        let path = named.get(&found[1]).copied().unwrap_or(&found[1]).trim_matches('"');
        let path = parameter.replace_all(path, "{$1}").into_owned();
        assert!(routes.insert(path, route).is_none(), "{} is routed twice", &found[1]);
    }
}
