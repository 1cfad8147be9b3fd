//! Violations of a JSON schema, described by what would be valid.

use jsonschema::{ValidationError, Validator, error::ValidationErrorKind};
use serde_json::Value;

use super::error::{Error, Result};

/// Checks a document by the schema called `name`.
///
/// # Errors
/// [`Error::Invalid`] naming the first place that does not fit, and why.
pub fn check(validator: &Validator, name: &str, document: &Value) -> Result<()> {
    match validator.iter_errors(document).next() {
        None => Ok(()),
        Some(fault) => {
            let place = fault.instance_path().to_string();
            let place = place.trim_start_matches('/');
            let place = if place.is_empty() { String::new() } else { format!("{place}: ") };
            let why = why(&fault);
            Err(Error::invalid(format!("Provided object does not match schema '{name}': {place}{why}")))
        }
    }
}

fn why(fault: &ValidationError<'_>) -> String {
    match fault.kind() {
        // All that could be chosen: the library stops after two.
        ValidationErrorKind::Enum { options } => {
            let options: Vec<String> =
                options.as_array().into_iter().flatten().map(|option| option.to_string()).collect();
            format!("{} is not one of {}", fault.instance(), options.join(", "))
        }
        _ => fault.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use serde_json::json;

    use super::*;

    #[test]
    fn every_choice_is_named() {
        let schema = json!({"properties": {"p": {"enum": ["a", "b", "c", "d", null]}}, "required": ["q"]});
        let validator = jsonschema::validator_for(&schema).unwrap();
        let fault = check(&validator, "thing", &json!({"p": "x", "q": 1})).unwrap_err().to_string();
        assert!(fault.contains(r#"'thing': p: "x" is not one of "a", "b", "c", "d", null"#), "{fault}");
        let fault = check(&validator, "thing", &json!({})).unwrap_err().to_string();
        assert!(fault.contains(r#"'thing': "q" is a required property"#), "{fault}");
        check(&validator, "thing", &json!({"p": null, "q": 1})).unwrap();
    }
}
