//! The options of a storage as an administrator gives them: JSON by the names in the configuration, or by what stands
//! behind the name of the type in them, as `datadir` for `filesystem_store_datadir`.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use serde_json::{Map, Value};

use super::backend::{self, Declared, Form, Kind, Options};

/// Characters of one value at most.
const VALUE_CHARS_MAX: usize = 16_384;
/// Texts of one option at most.
const TEXTS_MAX: usize = 64;
/// What only the configuration may name: files that say more than where data lies.
const CONFIGURED_ONLY: [&str; 2] = ["filesystem_store_metadata_file", "swift_store_config_file"];

/// The options of one storage.
#[derive(Clone)]
pub struct Given {
    kind: &'static Kind,
    values: BTreeMap<&'static str, Value>,
    refused: Option<String>,
}

impl Given {
    /// No options of this type.
    pub fn none(kind: &'static Kind) -> Self {
        Self { kind, values: BTreeMap::new(), refused: None }
    }

    /// The same options with these changes; `null` takes one back.
    ///
    /// # Errors
    /// A sentence that names the option.
    pub fn with(mut self, options: &Map<String, Value>) -> Result<Self, String> {
        for (name, value) in options {
            let declared = self.declared(name)?;
            if value.is_null() {
                self.values.remove(declared.name);
            } else {
                self.values.insert(declared.name, checked(declared, value)?);
            }
        }
        Ok(self)
    }

    /// Those that everybody may see, or those that are secret.
    pub fn part(&self, secret: bool) -> Map<String, Value> {
        let is_secret = |name: &str| self.kind.options.iter().any(|known| known.name == name && known.secret);
        let part = self.values.iter().filter(|(name, _)| is_secret(name) == secret);
        part.map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    /// Reads them. Blocking: some name files.
    ///
    /// # Errors
    /// A sentence that names the option.
    pub fn settings(mut self) -> Result<Arc<dyn backend::Settings>, String> {
        let settings = (self.kind.read)(&mut self);
        match self.refused {
            Some(reason) => Err(reason),
            None => Ok(settings),
        }
    }

    fn declared(&self, name: &str) -> Result<&'static Declared, String> {
        let known = || self.kind.options.iter().filter(|option| option.obsolete.is_none());
        let short = format!("_{name}");
        let by_name = known().find(|option| option.name == name);
        let mut by_end = known().filter(|option| option.name.ends_with(&short));
        let found = match (by_name, by_end.next(), by_end.next()) {
            (Some(option), ..) | (None, Some(option), None) => option,
            (None, Some(_), Some(_)) => {
                return Err(format!("{name:?} is the end of several options; give all of its name"));
            }
            (None, None, _) => return Err(format!("{name:?} is no option of the type {}", self.kind.name)),
        };
        match CONFIGURED_ONLY.contains(&found.name) {
            true => Err(format!("{} can only be set for stores of the configuration", found.name)),
            false => Ok(found),
        }
    }

    fn find(&self, option: &str) -> Option<(&'static Declared, Option<&Value>)> {
        let declared = self.kind.options.iter().find(|known| known.name == option)?;
        Some((declared, self.values.get(declared.name)))
    }

    fn number(&self, option: &str) -> Option<i64> {
        match self.find(option)? {
            (_, Some(value)) => value.as_i64(),
            (declared, None) => {
                let default = declared.default?;
                default.parse().ok().or_else(|| size(default).and_then(|bytes| i64::try_from(bytes).ok()))
            }
        }
    }
}

/// A value as it is kept: of the form of the option.
fn checked(option: &Declared, value: &Value) -> Result<Value, String> {
    let wrong = |what: &str| format!("{} must be {what}", option.name);
    let fits = |text: &str| text.chars().count() <= VALUE_CHARS_MAX && !text.chars().any(char::is_control);
    let is_text = |value: &Value| value.as_str().is_some_and(fits);
    match option.form {
        Form::Bool if value.is_boolean() => Ok(value.clone()),
        Form::Bool => Err(wrong("true or false")),
        Form::Int(least, most) => match value.as_i64().filter(|n| (least..=most).contains(n)) {
            Some(number) => Ok(number.into()),
            None => Err(wrong(&format!("a whole number from {least} to {most}"))),
        },
        Form::Text if is_text(value) => Ok(value.clone()),
        Form::Text => Err(wrong(&format!("a text of at most {VALUE_CHARS_MAX} characters"))),
        Form::Multi => match value.as_array() {
            Some(list) if list.len() <= TEXTS_MAX && list.iter().all(is_text) => Ok(value.clone()),
            _ => Err(wrong(&format!("a list of at most {TEXTS_MAX} texts"))),
        },
        Form::Dict => match value.as_object() {
            Some(pairs)
                if pairs.len() <= TEXTS_MAX && pairs.iter().all(|(name, v)| fits(name) && is_text(v)) =>
            {
                Ok(value.clone())
            }
            _ => Err(wrong(&format!("an object of at most {TEXTS_MAX} texts"))),
        },
        Form::Size => {
            let bytes = value.as_u64().or_else(|| value.as_str().and_then(size));
            let bytes = bytes.and_then(|bytes| i64::try_from(bytes).ok());
            bytes
                .map(Value::from)
                .ok_or_else(|| wrong("a number of bytes, or digits with B, KB, MB, GB or TB"))
        }
    }
}

/// Bytes of digits with a unit of 1024.
fn size(text: &str) -> Option<u64> {
    let units = [("KB", 10), ("MB", 20), ("GB", 30), ("TB", 40), ("B", 0), ("", 0)];
    let (digits, shift) = units.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)))?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse::<u64>().ok()?.checked_mul(1 << shift)).flatten()
}

impl Options for Given {
    fn is_single(&self) -> bool {
        false
    }

    fn is_set(&self, option: &str) -> bool {
        self.values.contains_key(option)
    }

    fn bool(&self, option: &str) -> bool {
        match self.find(option) {
            Some((_, Some(value))) => value.as_bool().unwrap_or_default(),
            Some((declared, None)) => declared.default.is_some_and(|text| text.eq_ignore_ascii_case("true")),
            None => false,
        }
    }

    fn i64(&self, option: &str) -> Option<i64> {
        self.number(option)
    }

    fn u64(&self, option: &str) -> Option<u64> {
        self.number(option).map(|number| u64::try_from(number).unwrap_or(0))
    }

    fn text(&self, option: &str) -> Option<String> {
        let text = match self.find(option)? {
            (_, Some(value)) => value.as_str()?,
            (declared, None) => declared.default?,
        };
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn path(&self, option: &str) -> Option<PathBuf> {
        self.text(option).map(PathBuf::from)
    }

    fn list(&self, option: &str) -> Vec<String> {
        let list = self.values.get(option).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    fn dict(&self, option: &str) -> Vec<(String, String)> {
        let pairs = self.values.get(option).and_then(Value::as_object);
        let pair = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
        pairs.into_iter().flatten().filter_map(pair).collect()
    }

    fn refuse(&mut self, option: &str, reason: String) {
        self.refused.get_or_insert_with(|| format!("{option}: {reason}"));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use serde_json::json;

    use super::*;
    use crate::store::kinds::find;

    fn given(kind: &str, options: Value) -> Result<Given, String> {
        Given::none(find(kind).unwrap()).with(options.as_object().unwrap())
    }

    /// Proves that options go by their names or the ends of these, that secrets are told apart, and that what is not given
    /// has the default of the configuration.
    #[test]
    fn options_are_read_by_their_names() {
        let options = json!({
            "host": "http://s3.example.org", "s3_store_access_key": "AK", "secret_key": "hush", "bucket": "images",
            "vitrine_s3_buffers": "64MB",
        });
        let given = given("s3", options).unwrap();
        let secret = json!({"s3_store_access_key": "AK", "s3_store_secret_key": "hush"});
        assert_eq!(Value::Object(given.part(true)), secret);
        let open = json!({"s3_store_host": "http://s3.example.org", "s3_store_bucket": "images", "vitrine_s3_buffers": 67_108_864});
        assert_eq!(Value::Object(given.part(false)), open);
        assert_eq!(
            (given.i64("s3_store_thread_pools"), given.u64("vitrine_s3_buffers")),
            (Some(10), Some(1 << 26))
        );
        assert_eq!(
            (given.text("s3_store_bucket_url_format").as_deref(), given.text("s3_store_cacert")),
            (Some("auto"), None)
        );
        assert!(!given.bool("s3_store_create_bucket_on_put") && !given.is_set("s3_store_region_name"));
        let fewer = given.with(json!({"secret_key": null}).as_object().unwrap()).unwrap();
        assert_eq!(Value::Object(fewer.part(true)), json!({"s3_store_access_key": "AK"}));
    }

    /// Proves that unknown options and values of the wrong form are refused by name, as are those that only the
    /// configuration may have.
    #[test]
    fn wrong_options_are_refused() {
        let many = vec!["/a"; TEXTS_MAX + 1];
        for (kind, options, named) in [
            ("file", json!({"bucket": "x"}), "bucket"),
            ("s3", json!({"key": "x"}), "several"),
            ("s3", json!({"host": 1}), "s3_store_host"),
            ("s3", json!({"host": "a\nb"}), "s3_store_host"),
            ("s3", json!({"thread_pools": 0}), "from 1 to"),
            ("s3", json!({"create_bucket_on_put": "yes"}), "true or false"),
            ("s3", json!({"s3_buffers": "1 MB"}), "bytes"),
            ("s3", json!({"s3_buffers": -1}), "bytes"),
            ("file", json!({"datadirs": "/a"}), "list"),
            ("file", json!({"datadirs": many}), "list"),
            ("http", json!({"http_proxy_information": {"http": 1}}), "object"),
            ("file", json!({"metadata_file": "/etc/passwd"}), "configuration"),
        ] {
            let refused = given(kind, options.clone()).err().unwrap_or_default();
            assert!(refused.contains(named), "{options}: {refused}");
        }
        let bad = given("file", json!({"datadir": "/a", "datadirs": ["/b"]})).unwrap().settings();
        assert!(bad.unwrap_err().starts_with("filesystem_store_datadirs: "));
    }
}
