//! Property definitions, validated and normalised on input, with defaults as text on output, as Glance's typed model
//! does (`glance/api/v2/model/metadef_property_type.py`).

use serde_json::{Map, Number, Value};

use crate::model::{
    error::{Error, Result},
    new_image::check_text,
};

/// The members of a definition, in the order in which they are shown; `name` comes first where it is given.
pub const KEYS: [&str; 19] = [
    "name",
    "type",
    "title",
    "description",
    "operators",
    "default",
    "readonly",
    "minimum",
    "maximum",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "confidential",
    "items",
    "uniqueItems",
    "minItems",
    "maxItems",
    "additionalItems",
];
const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

/// Checks what the schema does not say, and brings a definition to the form in which it is kept and shown.
/// The schema has been checked before.
///
/// # Errors
/// [`Error::Invalid`] naming the member that does not fit.
pub fn normalise(given: &Map<String, Value>) -> Result<Map<String, Value>> {
    if let Some(unknown) = given.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(Error::invalid(format!("A property definition has no member {unknown:?}.")));
    }
    let mut kept = Map::new();
    for key in KEYS {
        if let Some(value) = given.get(key) {
            kept.insert(key.to_owned(), checked(key, value)?);
        }
    }
    Ok(kept)
}

fn checked(key: &str, value: &Value) -> Result<Value> {
    let wrong = |what: &str| Error::invalid(format!("{key:?} of a property definition must be {what}."));
    match key {
        "name" | "title" | "description" | "pattern" => {
            check_text(key, value.as_str().ok_or_else(|| wrong("a text"))?)?;
            Ok(value.clone())
        }
        "default" => {
            let default = text_of_default(value);
            if let Some(text) = default.as_str() {
                check_text(key, text)?;
            }
            Ok(default)
        }
        "enum" | "operators" => {
            if is_texts(value) {
                Ok(value.clone())
            } else {
                Err(wrong("a list of texts"))
            }
        }
        "minimum" | "maximum" | "minLength" | "maxLength" | "minItems" | "maxItems" => {
            whole(value).ok_or_else(|| wrong("a whole number of at most 64 bits"))
        }
        "confidential" if !value.is_boolean() => Err(wrong("true or false")),
        "items" => items(value).ok_or_else(|| wrong("an object with a type, and an enum of texts if any")),
        _ => Ok(value.clone()),
    }
}

fn is_texts(value: &Value) -> bool {
    value.as_array().is_some_and(|list| list.iter().all(Value::is_string))
}

fn items(value: &Value) -> Option<Value> {
    let given = value.as_object()?;
    if given.keys().any(|key| key != "type" && key != "enum") {
        return None;
    }
    let mut kept = Map::new();
    let kind = given.get("type")?;
    if !kind.as_str().is_some_and(|kind| TYPES.contains(&kind)) {
        return None;
    }
    kept.insert("type".to_owned(), kind.clone());
    if let Some(choices) = given.get("enum") {
        if !is_texts(choices) {
            return None;
        }
        kept.insert("enum".to_owned(), choices.clone());
    }
    Some(Value::Object(kept))
}

/// A number without its fraction.
fn whole(value: &Value) -> Option<Value> {
    let number = value.as_number()?;
    if number.is_i64() || number.is_u64() {
        return Some(value.clone());
    }
    let float = number.as_f64()?.trunc();
    // 2^63 is the first float beyond i64 that is exact.
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&float);
    #[allow(clippy::cast_possible_truncation)]
    fits.then(|| Value::Number(Number::from(float as i64)))
}

/// A definition as clients see it. A definition from a file may contain anything: members that Glance does not know are
/// left out, and defaults become text.
pub fn view(kept: &Map<String, Value>) -> Map<String, Value> {
    let mut shown = Map::new();
    for key in KEYS {
        let value = match (key, kept.get(key)) {
            (_, None) => continue,
            ("default", Some(value)) => text_of_default(value),
            (_, Some(Value::Null)) => continue,
            (_, Some(value)) => value.clone(),
        };
        shown.insert(key.to_owned(), value);
    }
    shown
}

/// Every definition of a map as clients see it, with `prefix` in front of the names.
pub fn view_map(kept: &Map<String, Value>, prefix: &str) -> Map<String, Value> {
    kept.iter()
        .map(|(name, value)| {
            let definition = value.as_object().map(view).unwrap_or_default();
            (format!("{prefix}{name}"), Value::Object(definition))
        })
        .collect()
}

/// Defaults are text: `8` is `"8"`, `true` is `"True"`, `1.5` is `"1.5"`; what is no scalar is null.
fn text_of_default(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.clone()),
        Value::Bool(true) => Value::String("True".to_owned()),
        Value::Bool(false) => Value::String("False".to_owned()),
        Value::Number(number) => Value::String(match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(integer), _, _) => integer.to_string(),
            (None, Some(integer), _) => integer.to_string(),
            (None, None, Some(float)) => python_float(float),
            (None, None, None) => number.to_string(),
        }),
        Value::Null | Value::Array(_) | Value::Object(_) => Value::Null,
    }
}

/// Python's spelling of a float: the shortest digits, an exponent below 1e-4 and from 1e16 on.
fn python_float(float: f64) -> String {
    let scientific = format!("{float:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let Ok(exponent) = exponent.parse::<i32>() else { return scientific };
    if (-4..16).contains(&exponent) {
        let plain = format!("{float}");
        return if plain.contains('.') { plain } else { format!("{plain}.0") };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    fn definition(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn defaults_are_spelled_as_glance_spells_them() {
        for (given, shown) in [
            (json!(8), json!("8")),
            (json!(-3), json!("-3")),
            (json!(true), json!("True")),
            (json!(false), json!("False")),
            (json!(1.5), json!("1.5")),
            (json!(1.0), json!("1.0")),
            (json!(0.1), json!("0.1")),
            (json!(1e20), json!("1e+20")),
            (json!(1.5e-7), json!("1.5e-07")),
            (json!("x"), json!("x")),
            (json!(""), json!("")),
            (json!([1]), Value::Null),
            (json!({"a": 1}), Value::Null),
            (Value::Null, Value::Null),
        ] {
            assert_eq!(text_of_default(&given), shown, "{given}");
        }
    }

    #[test]
    fn a_definition_gets_glances_order_and_whole_numbers() {
        let given = json!({"maximum": 5.9, "title": "T", "minimum": -1.5, "type": "integer", "name": "n"});
        let kept = normalise(&definition(&given)).unwrap();
        assert_eq!(
            Value::Object(kept.clone()).to_string(),
            r#"{"name":"n","type":"integer","title":"T","minimum":-1,"maximum":5}"#
        );
        assert_eq!(normalise(&kept).unwrap(), kept, "normalising twice changes nothing");
        assert_eq!(view(&kept), kept);
    }

    #[test]
    fn what_glance_answers_with_500_is_refused() {
        for bad in [
            json!({"foo": 1}),
            json!({"required": ["a"]}),
            json!({"enum": [1]}),
            json!({"items": {}}),
            json!({"items": {"enum": ["a"]}}),
            json!({"items": {"type": "string", "enum": [1]}}),
            json!({"items": {"type": "string", "x": 1}}),
            json!({"confidential": "yes"}),
            json!({"maximum": 1e30}),
            json!({"title": "\u{1f600}"}),
            json!({"default": "\u{0}"}),
        ] {
            assert!(matches!(normalise(&definition(&bad)), Err(Error::Invalid(_))), "{bad}");
        }
    }

    #[test]
    fn what_a_file_brought_is_shown_in_glances_form() {
        let kept = json!({"x": 1, "default": 2, "type": "integer", "description": null});
        assert_eq!(Value::Object(view(&definition(&kept))), json!({"type": "integer", "default": "2"}));
    }
}
