//! The queries of metadata definition lists: page, order and filters (`glance/api/v2/metadef_namespaces.py:
//! RequestDeserializer.index` and similar).

use super::NamespaceVisibility;
use crate::model::{
    error::{Error, Result},
    list::PageLimits,
};

/// The visibilities that a list of namespaces requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VisibilityFilter {
    /// Parameter absent.
    Any,
    /// One visibility.
    Only(NamespaceVisibility),
    /// The empty text, which matches nothing.
    Nothing,
}

/// How a list is sorted; ties are broken by age and then by row, in the same direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// The column.
    pub key: &'static str,
    /// Newest, or last, first.
    pub descending: bool,
}

/// Resource types in one query at most.
const TYPES_MAX: usize = 100;
/// Keys by which namespaces may be sorted.
pub const NAMESPACE_SORT_KEYS: [&str; 9] = [
    "created_at",
    "updated_at",
    "id",
    "namespace",
    "display_name",
    "description",
    "visibility",
    "protected",
    "owner",
];
/// Keys by which tags may be sorted.
pub const TAG_SORT_KEYS: [&str; 5] = ["created_at", "updated_at", "id", "namespace_id", "name"];

/// The query of a list of namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceQuery {
    /// Rows at most.
    pub limit: u32,
    /// Name of the namespace after which the page begins.
    pub marker: Option<String>,
    /// Order.
    pub sort: Sort,
    /// The requested visibility.
    pub visibility: VisibilityFilter,
    /// Resource types, of which one at least must be associated.
    pub resource_types: Option<Vec<String>>,
}

/// The query of a list of tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagQuery {
    /// Rows at most; all of them unless said.
    pub limit: Option<u32>,
    /// Name of the tag after which the page begins.
    pub marker: Option<String>,
    /// Order.
    pub sort: Sort,
}

type Pairs = [(String, String)];

/// The first value of a parameter; others are left out, as in the list of images.
fn first<'a>(pairs: &'a Pairs, name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// The last value of a parameter, which is the one that Glance reads for what it takes without taking it away.
fn last<'a>(pairs: &'a Pairs, name: &str) -> Option<&'a str> {
    pairs.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// Reads a limit as Python reads integers: blanks around it and a plus sign are fine.
fn limit(text: &str) -> Result<u32> {
    let number = text.trim();
    let digits = number.strip_prefix(['+', '-']).unwrap_or(number);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Error::invalid("limit param must be an integer"));
    }
    if number.starts_with('-') && digits.bytes().any(|b| b != b'0') {
        return Err(Error::invalid("limit param must be positive"));
    }
    Ok(digits.parse().unwrap_or(u32::MAX))
}

fn sort(pairs: &Pairs, keys: &[&'static str]) -> Result<Sort> {
    let key = first(pairs, "sort_key").unwrap_or("created_at");
    let key = keys.iter().find(|known| **known == key).ok_or_else(|| {
        Error::invalid(format!("Invalid sort key {key:?}: it must be one of {}.", keys.join(", ")))
    })?;
    Ok(Sort { key, descending: descending(pairs)? })
}

fn descending(pairs: &Pairs) -> Result<bool> {
    match first(pairs, "sort_dir") {
        None | Some("desc") => Ok(true),
        Some("asc") => Ok(false),
        Some(other) => Err(Error::invalid(format!("Invalid sort direction: {other}"))),
    }
}

/// Checks the visibility that lists of parts accept and then do not use.
fn check_visibility(pairs: &Pairs) -> Result<()> {
    match first(pairs, "visibility") {
        None | Some("" | "public" | "private" | "shared") => Ok(()),
        Some(other) => Err(Error::invalid(format!("Invalid visibility value: {other}"))),
    }
}

impl NamespaceQuery {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the parameter that cannot be used.
    pub fn parse(pairs: &Pairs, limits: PageLimits) -> Result<Self> {
        let limit = match first(pairs, "limit") {
            Some(text) => limit(text)?,
            None => limits.default,
        };
        let visibility = match first(pairs, "visibility") {
            None => VisibilityFilter::Any,
            Some("") => VisibilityFilter::Nothing,
            Some(text) => NamespaceVisibility::parse(text)
                .map(VisibilityFilter::Only)
                .ok_or_else(|| Error::invalid(format!("Invalid visibility value: {text}")))?,
        };
        let resource_types: Option<Vec<String>> =
            last(pairs, "resource_types").map(|text| text.split(',').map(str::to_owned).collect());
        if resource_types.as_ref().is_some_and(|types| types.len() > TYPES_MAX) {
            return Err(Error::invalid(format!("resource_types takes {TYPES_MAX} names at most.")));
        }
        Ok(Self {
            limit: limit.min(limits.max),
            marker: first(pairs, "marker").map(str::to_owned),
            sort: sort(pairs, &NAMESPACE_SORT_KEYS)?,
            visibility,
            resource_types,
        })
    }
}

impl TagQuery {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the parameter that cannot be used.
    pub fn parse(pairs: &Pairs) -> Result<Self> {
        check_visibility(pairs)?;
        let limit = match first(pairs, "limit") {
            None | Some("") => None,
            Some(text) => Some(limit(text)?),
        };
        let marker = first(pairs, "marker").filter(|marker| !marker.is_empty()).map(str::to_owned);
        Ok(Self { limit, marker, sort: sort(pairs, &TAG_SORT_KEYS)? })
    }
}

/// Checks the parameters of a list of objects, which Glance reads and does not use.
///
/// # Errors
/// [`Error::Invalid`] naming the parameter that cannot be read.
pub fn check_object_query(pairs: &Pairs) -> Result<()> {
    check_visibility(pairs)?;
    descending(pairs)?;
    match first(pairs, "limit") {
        Some(text) if limit(text)? == 0 => Err(Error::invalid("limit param must be positive")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn pairs(query: &[(&str, &str)]) -> Vec<(String, String)> {
        query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn limits_are_read_as_glance_reads_them() {
        let limits = PageLimits { default: 25, max: 1000 };
        let of = |text: &str| NamespaceQuery::parse(&pairs(&[("limit", text)]), limits).map(|q| q.limit);
        for (text, expected) in [("0", 0), ("7", 7), ("+1", 1), (" 2", 2), ("5000", 1000), ("-0", 0)] {
            assert_eq!(of(text).unwrap(), expected, "{text:?}");
        }
        assert_eq!(of("99999999999999999999").unwrap(), 1000);
        for text in ["", "a", "-1", "1.5", "+", "1 2"] {
            assert!(matches!(of(text), Err(Error::Invalid(_))), "{text:?}");
        }
        assert_eq!(NamespaceQuery::parse(&[], limits).unwrap().limit, 25);
        let twice = NamespaceQuery::parse(&pairs(&[("limit", "1"), ("limit", "2")]), limits).unwrap();
        assert_eq!(twice.limit, 1);
        let twice = pairs(&[("resource_types", "A"), ("resource_types", "B,C")]);
        let types = NamespaceQuery::parse(&twice, limits).unwrap().resource_types.unwrap();
        assert_eq!(types, ["B", "C"]);
        let many = |count: usize| pairs(&[("resource_types", &vec!["A"; count].join(","))]);
        assert!(NamespaceQuery::parse(&many(100), limits).is_ok());
        assert!(NamespaceQuery::parse(&many(101), limits).is_err());
    }

    #[test]
    fn lists_of_parts_check_more_than_they_use() {
        assert_eq!(TagQuery::parse(&pairs(&[("limit", "")])).unwrap().limit, None);
        assert_eq!(TagQuery::parse(&pairs(&[("limit", "0")])).unwrap().limit, Some(0));
        for (key, value) in [("limit", "-1"), ("sort_key", "foo"), ("sort_dir", "x"), ("visibility", "foo")] {
            assert!(TagQuery::parse(&pairs(&[(key, value)])).is_err(), "{key}={value}");
        }
        for (key, value) in [("limit", "0"), ("limit", ""), ("sort_dir", "ASC"), ("visibility", "community")]
        {
            assert!(check_object_query(&pairs(&[(key, value)])).is_err(), "{key}={value}");
        }
        for (key, value) in [("limit", "1"), ("sort_key", "foo"), ("marker", "x"), ("visibility", "shared")] {
            assert!(check_object_query(&pairs(&[(key, value)])).is_ok(), "{key}={value}");
        }
    }
}
