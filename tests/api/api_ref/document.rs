//! The API document: its files as one JSON value, its operations, and the answers that it allows.

use std::{collections::BTreeMap, fs, path::Path};

use reqwest::header::HeaderMap;
use serde_json::{Map, Value, json};

use crate::support::Answer;

/// The methods that a path item may describe.
pub const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// Headers that every HTTP answer may have.
const USUAL_HEADERS: [&str; 6] =
    ["connection", "content-length", "content-type", "date", "transfer-encoding", "x-content-type-options"];

/// The files of `api-ref`, each a member of one value. References point into that value.
pub struct Document {
    files: Value,
}

/// One method of one path.
pub struct Operation<'a> {
    pub method: &'static str,
    pub path: &'a str,
    pub item: &'a Value,
    pub body: &'a Value,
}

impl Operation<'_> {
    /// Whether callers need a token.
    pub fn is_guarded(&self) -> bool {
        self.body.get("security").is_none()
    }

    /// What the router answers in `Allow`; `any` when every method is answered.
    pub fn allow(&self) -> &str {
        self.item["x-allow"].as_str().unwrap_or_else(|| panic!("{}: no x-allow", self.path))
    }

    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The documented statuses.
    pub fn statuses(&self) -> impl Iterator<Item = u16> {
        self.body["responses"].as_object().unwrap().keys().map(|status| status.parse().unwrap())
    }
}

impl Document {
    /// Reads `api-ref/openapi.yaml` and the files that it is made of.
    pub fn read() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("api-ref");
        let mut files = Map::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                let text = fs::read_to_string(&path).unwrap();
                let mut file: Value = serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
                point_into_bundle(&mut file, &name);
                files.insert(name, file);
            }
        }
        Self { files: json!({ "files": files }) }
    }

    /// Follows a reference, if this is one.
    fn resolve<'a>(&'a self, mut value: &'a Value) -> &'a Value {
        while let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            let pointer = reference.strip_prefix('#').unwrap();
            value = self.files.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"));
        }
        value
    }

    /// Everything that the Image API's document describes, in its order.
    pub fn operations(&self) -> Vec<Operation<'_>> {
        self.operations_of("openapi.yaml")
    }

    /// Everything that a file describes, in its order.
    pub fn operations_of(&self, file: &str) -> Vec<Operation<'_>> {
        let mut operations = Vec::new();
        for (path, item) in self.files["files"][file]["paths"].as_object().unwrap() {
            let item = self.resolve(item);
            for method in METHODS {
                if let Some(body) = item.get(method.to_ascii_lowercase()) {
                    operations.push(Operation { method, path, item, body });
                }
            }
        }
        operations
    }

    /// Every reference that names nothing.
    pub fn dangling(&self) -> Vec<String> {
        let mut dangling = Vec::new();
        visit(&self.files, &mut |reference| {
            let target = reference.strip_prefix('#').and_then(|pointer| self.files.pointer(pointer));
            if target.is_none() {
                dangling.push(reference.to_owned());
            }
        });
        dangling
    }

    /// What an answer has that the document does not allow, in sentences.
    pub fn faults(&self, operation: &Operation, answer: &Answer) -> Vec<String> {
        let Some(response) = operation.body["responses"].get(answer.status.to_string()) else {
            return vec![format!("the status {} is not described", answer.status)];
        };
        let response = self.resolve(response);
        let mut faults = self.header_faults(response, &answer.headers);
        match (response.get("content").and_then(Value::as_object), answer.body.is_empty()) {
            // An image may have no bytes; a HEAD has none.
            (None, true) => {}
            (None, false) => faults.push("a body is not described".to_owned()),
            (Some(_), true) if operation.method == "HEAD" => {}
            (Some(content), _) => {
                let media = answer.header("content-type").split(';').next().unwrap_or_default();
                match content.get(media) {
                    None => faults.push(format!("the media type {media:?} is not described")),
                    Some(described) if media == "application/json" => {
                        faults.extend(self.schema_faults(&described["schema"], &answer.json()));
                    }
                    Some(_) => {}
                }
            }
        }
        faults
    }

    fn header_faults(&self, response: &Value, headers: &HeaderMap) -> Vec<String> {
        let mut faults = Vec::new();
        let none = Map::new();
        let described: BTreeMap<String, &Value> = response
            .get("headers")
            .and_then(Value::as_object)
            .unwrap_or(&none)
            .iter()
            .map(|(name, header)| (name.to_ascii_lowercase(), self.resolve(header)))
            .collect();
        for (name, header) in &described {
            match headers.get(name) {
                None if header["required"] == json!(true) => {
                    faults.push(format!("the header {name} is missing"))
                }
                None => {}
                Some(value) => {
                    let value = json!(value.to_str().unwrap());
                    faults.extend(self.schema_faults(&header["schema"], &value));
                }
            }
        }
        for name in headers.keys().map(|name| name.as_str()) {
            if !USUAL_HEADERS.contains(&name) && !described.contains_key(name) {
                faults.push(format!("the header {name} is not described"));
            }
        }
        faults
    }

    /// How a value breaks a schema of the document.
    pub fn schema_faults(&self, schema: &Value, value: &Value) -> Vec<String> {
        // The schema may refer to anything in the files.
        let mut whole = schema.as_object().unwrap().clone();
        whole.insert("files".to_owned(), self.files["files"].clone());
        let validator = jsonschema::draft202012::new(&Value::Object(whole)).unwrap();
        validator.iter_errors(value).map(|e| format!("{}: {e}", e.instance_path())).collect()
    }
}

/// Rewrites every reference of a file so that it points into the value that holds all files.
fn point_into_bundle(value: &mut Value, name: &str) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                match value {
                    Value::String(reference) if key == "$ref" => {
                        let (file, pointer) = reference.split_once('#').expect("a reference with a fragment");
                        let file = if file.is_empty() { name } else { file.trim_start_matches("./") };
                        *reference = format!("#/files/{file}{pointer}");
                    }
                    _ => point_into_bundle(value, name),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| point_into_bundle(item, name)),
        _ => {}
    }
}

fn visit(value: &Value, found: &mut impl FnMut(&str)) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                match value {
                    Value::String(reference) if key == "$ref" => found(reference),
                    _ => visit(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| visit(item, found)),
        _ => {}
    }
}
