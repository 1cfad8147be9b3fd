//! Access rules of application credentials: the requests that a restricted token may make.

use serde::Deserialize;

/// One rule: a method and a path pattern of one service.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(super) struct AccessRule {
    method: String,
    path: String,
    service: String,
}

impl AccessRule {
    /// Whether the rule allows `method` on `path` (a query is not part of it) of a service of type `service`.
    pub(super) fn allows(&self, service: &str, method: &str, path: &str) -> bool {
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        self.service == service && self.method == method && path_matches(&self.path, path)
    }

    /// About how many bytes the rule occupies.
    pub(super) fn size_bytes(&self) -> usize {
        size_of::<AccessRule>() + self.method.len() + self.path.len() + self.service.len()
    }
}

#[derive(Clone, Copy)]
enum Part {
    Literal(char),
    /// `*` and `{name}`: one or more characters of one segment.
    Segment,
    /// `**`: anything at all.
    Anything,
}

/// `*` and `{name}` stand for one segment, `**` for any number; the rest is literal, as is a dot, which
/// keystonemiddleware takes for any character (`keystonemiddleware/auth_token/__init__.py: _path_matches`).
fn path_matches(pattern: &str, path: &str) -> bool {
    let parts = parse(pattern);
    // All places in the pattern that the path read so far can have reached: no backtracking, so a hostile
    // pattern costs its length for each character and no more.
    let mut reached = vec![false; parts.len() + 1];
    enter(&parts, &mut reached, 0);
    for letter in path.chars() {
        let mut next = vec![false; parts.len() + 1];
        for (place, part) in parts.iter().enumerate() {
            if !reached.get(place).copied().unwrap_or(false) {
                continue;
            }
            match part {
                Part::Literal(wanted) if *wanted == letter => enter(&parts, &mut next, place + 1),
                Part::Segment if letter != '/' => {
                    enter(&parts, &mut next, place);
                    enter(&parts, &mut next, place + 1);
                }
                Part::Anything => enter(&parts, &mut next, place),
                Part::Literal(_) | Part::Segment => {}
            }
        }
        reached = next;
    }
    reached.last().copied().unwrap_or(false)
}

/// Marks a place as reached, with those behind it that need no character.
fn enter(parts: &[Part], reached: &mut [bool], mut place: usize) {
    while let Some(mark) = reached.get_mut(place) {
        *mark = true;
        match parts.get(place) {
            Some(Part::Anything) => place += 1,
            _ => return,
        }
    }
}

fn parse(pattern: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = pattern;
    while let Some(letter) = rest.chars().next() {
        let tag = rest.strip_prefix('{').and_then(|tail| tail.split_once('}'));
        if let Some((_, tail)) = tag {
            parts.push(Part::Segment);
            rest = tail;
        } else if let Some(tail) = rest.strip_prefix("**") {
            parts.push(Part::Anything);
            rest = tail;
        } else {
            parts.push(if letter == '*' { Part::Segment } else { Part::Literal(letter) });
            rest = rest.get(letter.len_utf8()..).unwrap_or("");
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_match_by_segment() {
        let table = [
            ("/v2/images", "/v2/images", true),
            ("/v2/images", "/v2/images/", false),
            ("/v2/images", "/v2/imagesx", false),
            ("/v2/images", "/x/v2/images", false),
            ("/v2/images/*", "/v2/images/abc", true),
            ("/v2/images/*", "/v2/images/", false),
            ("/v2/images/*", "/v2/images/abc/file", false),
            ("/v2/images/*/file", "/v2/images/abc/file", true),
            ("/v2/images/{image_id}", "/v2/images/abc", true),
            ("/v2/images/{image_id}/file", "/v2/images/a/b/file", false),
            ("/v2/**", "/v2/images/abc/file", true),
            ("/v2/**", "/v2/", true),
            ("/v2/**", "/v3/images", false),
            ("**", "/anything/at/all", true),
            ("/v2/**/file", "/v2/images/abc/file", true),
            ("/v2/**/file", "/v2/images/abc/stage", false),
            ("/v2/images/a.c", "/v2/images/abc", false),
            ("/v2/images/a.c", "/v2/images/a.c", true),
            ("/v2/images/(abc|d)", "/v2/images/abc", false),
            ("/v2/{unclosed", "/v2/{unclosed", true),
            ("", "", true),
            ("", "/", false),
        ];
        for (pattern, path, expected) in table {
            assert_eq!(path_matches(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn rules_need_service_method_and_path_and_ignore_the_query() {
        let rule = AccessRule { method: "GET".into(), path: "/v2/images".into(), service: "image".into() };
        assert!(rule.allows("image", "GET", "/v2/images"));
        assert!(rule.allows("image", "GET", "/v2/images?limit=2"));
        assert!(!rule.allows("image", "POST", "/v2/images"));
        assert!(!rule.allows("compute", "GET", "/v2/images"));
    }

    proptest! {
        /// The walk over places agrees with the regular expression that the rule stands for.
        #[test]
        fn matching_agrees_with_a_regular_expression(pattern in "[ab/*]{0,8}", path in "[ab/]{0,10}") {
            let source = pattern.replace("**", "\u{0}").replace('*', "[^/]+").replace('\u{0}', ".*");
            let regex = regex::Regex::new(&format!("^{source}$")).unwrap();
            prop_assert_eq!(path_matches(&pattern, &path), regex.is_match(&path), "{} {}", pattern, path);
        }
    }
}
