//! Reads Rust as far as the rules of the house need it: words without comments and strings, and the paths they make.

/// A name as code says it, groups taken apart: `use crate::{db::{self as d}}` names `["crate", "db"]`, renamed.
#[derive(Debug, PartialEq)]
pub struct Named<'a> {
    pub path: Vec<&'a str>,
    pub renamed: bool,
}

/// Names, `::` and single signs, in their order; comments, strings, characters and lifetimes are left out.
pub fn words(source: &str) -> Vec<&str> {
    let (mut words, mut rest) = (Vec::new(), source);
    while let Some(first) = rest.chars().next() {
        let length = noise(rest).unwrap_or_else(|| {
            let name = rest.find(|c: char| !is_letter(c)).unwrap_or(rest.len());
            let length = if rest.starts_with("::") { 2 } else { name.max(first.len_utf8()) };
            if !first.is_whitespace() {
                words.push(&rest[..length]);
            }
            length
        });
        rest = &rest[length..];
    }
    words
}

/// Every path in the code. A member of a group is named twice, behind what precedes the group and by itself.
pub fn paths<'a>(words: &[&'a str]) -> Vec<Named<'a>> {
    let mut found = Vec::new();
    for (place, word) in words.iter().enumerate() {
        if word.starts_with(is_letter) && (place == 0 || words[place - 1] != "::") {
            branch(&words[place..], &[], &mut found);
        }
    }
    found
}

/// Reads what follows `prefix`; returns how many words that takes.
fn branch<'a>(words: &[&'a str], prefix: &[&'a str], found: &mut Vec<Named<'a>>) -> usize {
    let (mut path, mut place) = (prefix.to_vec(), 0);
    while let Some(word) = words.get(place) {
        if *word == "{" {
            place += 1;
            while words.get(place).is_some_and(|word| *word != "}") {
                place += branch(&words[place..], &path, found).max(1);
            }
            return place + 1;
        }
        if *word != "*" && !word.starts_with(is_letter) {
            break;
        }
        path.push(word);
        place += 1;
        if words.get(place) != Some(&"::") {
            break;
        }
        place += 1;
    }
    let renamed = words.get(place) == Some(&"as");
    if path.len() > 1 && path.last() == Some(&"self") {
        path.pop();
    }
    if place > 0 {
        found.push(Named { path, renamed });
    }
    if renamed { place + 2 } else { place }
}

fn is_letter(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// How long the comment, string, character or lifetime is that the text opens with.
fn noise(text: &str) -> Option<usize> {
    let ends =
        |mark: &str, from: usize| text[from..].find(mark).map_or(text.len(), |end| from + end + mark.len());
    if text.starts_with("//") {
        return Some(ends("\n", 0));
    }
    if text.starts_with("/*") {
        return Some(ends("*/", 2));
    }
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|prefix| text.starts_with(prefix))?;
    let hashes = text[prefix.len()..].find(|c| c != '#')?;
    let begin = prefix.len() + hashes + 1;
    match text[begin - 1..].chars().next()? {
        '"' if prefix.ends_with('r') => Some(ends(&format!("\"{}", "#".repeat(hashes)), begin)),
        '"' if hashes == 0 => Some(begin + end_of_string(&text[begin..])),
        '\'' if hashes == 0 && prefix.len() < 2 => Some(begin + end_of_character(&text[begin..])),
        _ => None,
    }
}

fn end_of_string(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.find(|c| {
        let is_end = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_end
    });
    end.map_or(text.len(), |end| end + 1)
}

/// The same of a character, or of a lifetime, which has no second quote.
fn end_of_character(text: &str) -> usize {
    let mut letters = text.char_indices().skip(1);
    let Some((second, c)) = letters.next() else { return text.len() };
    if text.starts_with('\\') {
        let after = second + c.len_utf8();
        return text[after..].find('\'').map_or(text.len(), |end| after + end + 1);
    }
    if c == '\'' { second + 1 } else { text.find(|c| !is_letter(c)).unwrap_or(text.len()) }
}

#[test]
fn words_are_told_from_noise() {
    let source = r##"use a :: b; // c::d
        /* e::f */ fn g<'h>(i: &'h str) { j("k\"::l", 'm', '\'', b'n', r#"o"::p"#, "http://q", r::s) }"##;
    let expected = "use a :: b ; fn g < > ( i : & str ) { j ( , , , , , , r :: s ) }";
    assert_eq!(words(source).join(" "), expected);
}

#[test]
fn groups_are_taken_apart() {
    let words = words("use a::{b::{self as c, d}, e::*};\nfn f() { g::<h::I>() as u8 }");
    let found = paths(&words);
    for (path, renamed) in [("a b", true), ("a b d", false), ("a e *", false), ("h I", false)] {
        let path = path.split(' ').collect();
        let wanted = Named { path, renamed };
        assert!(found.contains(&wanted), "{wanted:?}: {found:?}");
    }
}
