//! JSON pointers in image patches (`glance/api/v2/images.py: RequestDeserializer._decode_json_pointer`).

use super::error::{Error, Result};

/// Splits a patch path into its decoded, trimmed segments. The first segment is the attribute.
///
/// One surplus leading slash is tolerated, and `/` alone addresses the property with the empty name.
///
/// # Errors
/// [`Error::Invalid`] when the path does not start with `/`, has a blank inner segment, ends with `/` or
/// uses `~` other than as `~0` and `~1`.
pub fn parse(path: &str) -> Result<Vec<String>> {
    if !path.starts_with('/') {
        return Err(Error::invalid(format!("Pointer `{path}` does not start with \"/\".")));
    }
    let inner = path.get(1..).unwrap_or_default();
    let inner = inner.strip_prefix('/').unwrap_or(inner);
    let segments: Vec<&str> = inner.split('/').collect();
    if segments.len() > 1 {
        if segments.last().is_some_and(|s| s.trim().is_empty()) {
            return Err(Error::invalid(format!("Pointer `{path}` ends with \"/\".")));
        }
        if segments.iter().any(|s| s.trim().is_empty()) {
            return Err(Error::invalid(format!("Pointer `{path}` contains an empty segment.")));
        }
    }
    segments.into_iter().map(|s| decode(path, s)).collect()
}

fn decode(path: &str, segment: &str) -> Result<String> {
    let mut rest = segment;
    while let Some(at) = rest.find('~') {
        let after = rest.get(at + 1..).unwrap_or_default();
        if !after.starts_with(['0', '1']) {
            return Err(Error::invalid(format!(
                "Pointer `{path}` contains \"~\" that is not part of an escape sequence."
            )));
        }
        rest = after;
    }
    Ok(segment.replace("~1", "/").replace("~0", "~").trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn decodes_what_glance_decodes() {
        for (path, expected) in [
            ("/name", vec!["name"]),
            ("//name", vec!["name"]),
            ("/", vec![""]),
            ("/a~1b~0c", vec!["a/b~c"]),
            ("/ padded ", vec!["padded"]),
            ("/locations/-", vec!["locations", "-"]),
        ] {
            assert_eq!(parse(path).ok(), Some(expected.iter().map(|s| (*s).to_owned()).collect()), "{path}");
        }
    }

    #[test]
    fn refuses_broken_pointers() {
        for path in ["", "name", "/a/", "/a//b", "/x/  /y", "/a~2", "/a~"] {
            assert!(parse(path).is_err(), "{path}");
        }
    }
}
