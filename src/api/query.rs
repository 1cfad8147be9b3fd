//! Query strings: decoded pairs in request order, and the links of lists that repeat them.

use crate::model::error::{Error, Result};

/// Decodes a query string; blanks may be `+` or `%20`.
///
/// # Errors
/// [`Error::Invalid`] for bytes that are no UTF-8.
pub fn pairs(query: &str) -> Result<Vec<(String, String)>> {
    query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Ok((decode(name)?, decode(value)?))
        })
        .collect()
}

fn decode(text: &str) -> Result<String> {
    let spaced = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&spaced)
        .decode_utf8()
        .map_err(|_| Error::invalid("The query string is not valid UTF-8."))?;
    if decoded.contains('\0') {
        return Err(Error::invalid("The query string contains a NUL character."));
    }
    Ok(decoded.into_owned())
}

/// A link to `path` with the pairs, `marker` left out, and a new marker at the end if there is one.
pub fn link(path: &str, pairs: &[(String, String)], marker: Option<&str>) -> String {
    let mut serializer = form_urlencoded::Serializer::new(String::new());
    let mut empty = true;
    for (name, value) in pairs.iter().filter(|(name, _)| name != "marker") {
        serializer.append_pair(name, value);
        empty = false;
    }
    if let Some(marker) = marker {
        serializer.append_pair("marker", marker);
        empty = false;
    }
    if empty { path.to_owned() } else { format!("{path}?{}", serializer.finish()) }
}
