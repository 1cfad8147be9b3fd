//! Access rules of application credentials: which requests a token may make.

use serde_json::Value;

/// Whether one of the rules (a JSON array) allows the request; `service` is the type of the service that is asked.
/// In a rule's path `*` and `{name}` stand for one segment, `**` for any number of them.
pub fn allow(rules: &str, service: &str, method: &str, path: &str) -> bool {
    let Ok(Value::Array(rules)) = serde_json::from_str(rules) else { return false };
    rules.iter().any(|rule| {
        let is = |key: &str, value: &str| rule.get(key).and_then(Value::as_str) == Some(value);
        is("service", service)
            && is("method", method)
            && rule.get("path").and_then(Value::as_str).is_some_and(|pattern| path_matches(pattern, path))
    })
}

/// Segments of a pattern or a path looked at, at most.
const SEGMENTS_MAX: usize = 64;

fn path_matches(pattern: &str, path: &str) -> bool {
    let split = |text: &str| -> Vec<String> {
        text.trim_matches('/').split('/').take(SEGMENTS_MAX + 1).map(str::to_owned).collect()
    };
    let (pattern, path) = (split(pattern), split(path));
    if pattern.len() > SEGMENTS_MAX || path.len() > SEGMENTS_MAX {
        return false;
    }
    // reachable[i]: the pattern so far can end before segment i of the path.
    let mut reachable = vec![false; path.len() + 1];
    if let Some(start) = reachable.first_mut() {
        *start = true;
    }
    for part in &pattern {
        let mut next = vec![false; path.len() + 1];
        let mut open = false;
        for (index, slot) in next.iter_mut().enumerate() {
            let here = reachable.get(index).copied().unwrap_or(false);
            if part == "**" {
                open |= here;
                *slot = open;
            } else if let Some(before) = index.checked_sub(1) {
                let one = part == "*" || (part.starts_with('{') && part.ends_with('}'));
                let fits = path.get(before).is_some_and(|segment| one || segment == part);
                *slot = fits && reachable.get(before).copied().unwrap_or(false);
            }
        }
        reachable = next;
    }
    reachable.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_allows_its_own_service_method_and_path_only() {
        let table = [
            ("/v2/images", "/v2/images", true),
            ("/v2/images", "/v2/images/1", false),
            ("/v2/images/*", "/v2/images/1", true),
            ("/v2/images/*", "/v2/images/1/file", false),
            ("/v2/images/{image_id}/file", "/v2/images/1/file", true),
            ("/v2/**", "/v2/images/1/file", true),
            ("/v2/**/file", "/v2/images/1/file", true),
            ("/v2/**/file", "/v2/images/1/members", false),
            ("**", "/anything/at/all", true),
            ("/v2/images/*", "/v2/images", false),
        ];
        for (pattern, path, expected) in table {
            let rules =
                serde_json::json!([{"service": "image", "method": "GET", "path": pattern}]).to_string();
            assert_eq!(allow(&rules, "image", "GET", path), expected, "{pattern} {path}");
            assert!(!allow(&rules, "image", "POST", path), "{pattern} {path}");
            assert!(!allow(&rules, "identity", "GET", path), "{pattern} {path}");
        }
        assert!(!allow("[]", "image", "GET", "/v2/images"));
        assert!(!allow("broken", "image", "GET", "/v2/images"));
    }
}
