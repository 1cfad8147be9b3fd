//! The short names of images, each once in its project.

use super::{
    error::{Error, Result},
    image::Image,
    lifecycle::text,
};

/// The property with the short name.
pub const SLUG_PROPERTY: &str = "image_slug";
/// Characters of one at most.
const CHARS_MAX: usize = 63;

/// Whether a text can be one.
pub fn is_slug(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    text.bytes().next().is_some_and(plain)
        && text.len() <= CHARS_MAX
        && text.bytes().all(|b| plain(b) || b == b'-')
}

/// The short name of an image, with the project in which it is the only one of that name; an image of nobody has none.
pub fn of(image: &Image) -> Option<(&str, &str)> {
    let slug = text(image, SLUG_PROPERTY).filter(|slug| is_slug(slug))?;
    Some((image.owner.as_deref()?, slug))
}

/// Requires of the short name that a change sets that it can be one.
///
/// # Errors
/// [`Error::Invalid`]
pub fn check(before: Option<&Image>, after: &Image) -> Result<()> {
    let of = |image| text(image, SLUG_PROPERTY);
    match of(after) {
        Some(slug) if before.and_then(of) != Some(slug) && !is_slug(slug) => Err(Error::invalid(format!(
            "{SLUG_PROPERTY} has 1 to {CHARS_MAX} lowercase letters, digits and dashes, and does not begin with a dash; \
             {slug:?} is none."
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves which short names there are.
    #[test]
    fn short_names_are_plain() {
        for slug in ["a", "0", "debian-12", "a--", &"a".repeat(63)] {
            assert!(is_slug(slug), "{slug}");
        }
        for text in ["", "-a", "A", "a.b", "a_b", "a b", "ä", "a\n", &"a".repeat(64)] {
            assert!(!is_slug(text), "{text}");
        }
    }
}
