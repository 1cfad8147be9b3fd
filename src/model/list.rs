//! The query of `GET /v2/images`: filters, order and page (`glance/api/v2/images.py: RequestDeserializer.index`).

mod sort;

pub use sort::{Direction, SORT_KEYS};

use std::collections::HashMap;

use super::{
    error::{Error, Result},
    member::MemberStatus,
    time::Timestamp,
    visibility::{MemberFilter, Visibility, VisibilityFilter},
};

/// A text column that can be filtered for equality.
pub const TEXT_COLUMNS: [&str; 9] = [
    "id",
    "name",
    "status",
    "container_format",
    "disk_format",
    "owner",
    "checksum",
    "os_hash_algo",
    "os_hash_value",
];
/// Integer columns: filtered for equality, or as `<column>_min` and `<column>_max`.
pub const INTEGER_COLUMNS: [&str; 4] = ["size", "virtual_size", "min_disk", "min_ram"];
/// Columns whose filters take `eq:` and `in:`.
const OPERATOR_COLUMNS: [&str; 5] = ["id", "name", "status", "container_format", "disk_format"];
/// Conditions in one query at most.
const FILTERS_MAX: usize = 64;
/// Values of one `in:` at most.
const VALUES_MAX: usize = 100;

/// How a value is compared with a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names are the documentation
pub enum Comparison {
    Eq,
    Neq,
    Lt,
    Lte,
    Gt,
    Gte,
}

/// One condition on the images of a list; all must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// A text column equals one of the values.
    TextIn(&'static str, Vec<String>),
    /// An integer column compared with a number; NULL never matches.
    Integer(&'static str, Comparison, i64),
    /// `created_at` or `updated_at` compared with a moment.
    Time(&'static str, Comparison, Timestamp),
    /// `protected` equals the value.
    Protected(bool),
    /// The image has the tag.
    Tag(String),
    /// The custom property has exactly this value.
    Property(String, String),
    /// The custom property has this value; where it is not there, `usual` counts.
    PropertyOr {
        /// The property.
        name: &'static str,
        /// What counts where it is not there.
        usual: String,
        /// What it is to be.
        value: String,
    },
    /// The custom property, if it is there and a number, is not below this one.
    PropertyNotBelow(&'static str, i64),
    /// One of the custom properties is there.
    AnyProperty(Vec<&'static str>),
    /// The custom property has the image's own id.
    PropertyIsOwnId(&'static str),
    /// An integer column is at most this number, or NULL.
    AtMostOrUnknown(&'static str, i64),
    /// Matches nothing.
    Never,
}

/// A list request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// Rows per page, already capped.
    pub limit: u32,
    /// Id after which the page starts.
    pub marker: Option<String>,
    /// Which memberships count.
    pub members: MemberFilter,
    /// The requested visibilities.
    pub visibility: VisibilityFilter,
    /// Whether to list hidden images only, or none of them.
    pub os_hidden: bool,
    /// All must hold.
    pub filters: Vec<Filter>,
    /// Sort keys with direction, ending in `created_at` and `id`.
    pub sort: Vec<(&'static str, Direction)>,
}

/// The operator's bounds on a page.
#[derive(Clone, Copy, Debug)]
pub struct PageLimits {
    /// `limit_param_default`
    pub default: u32,
    /// `api_limit_max`
    pub max: u32,
}

impl PageLimits {
    /// The page size for a `limit` parameter.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless the text is a non-negative integer.
    pub fn page(self, limit: Option<&str>) -> Result<u32> {
        let Some(text) = limit else {
            return Ok(self.default.min(self.max));
        };
        let digits = text.trim().strip_prefix('+').unwrap_or(text.trim());
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Error::invalid(format!("limit param must be a non-negative integer, not {text:?}")));
        }
        Ok(digits.parse::<u32>().unwrap_or(u32::MAX).min(self.max))
    }
}

impl ListQuery {
    /// Reads the decoded query pairs in request order.
    ///
    /// # Errors
    /// [`Error::Invalid`], naming the parameter and what is wrong with it.
    pub fn parse(pairs: &[(String, String)], limits: PageLimits) -> Result<Self> {
        let first = |name: &str| pairs.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str());
        let last = |name: &str| pairs.iter().rev().find(|(k, _)| k == name).map(|(_, v)| v.as_str());
        let mut query = Self {
            limit: limits.page(first("limit"))?,
            marker: first("marker").map(str::to_owned),
            members: parse_member_status(first("member_status"))?,
            visibility: parse_visibility(last("visibility"))?,
            os_hidden: parse_os_hidden(last("os_hidden"))?,
            filters: Vec::new(),
            sort: sort::parse(pairs)?,
        };
        if last("changes-since").is_some() {
            return Err(Error::invalid("The \"changes-since\" filter is no longer available on v2."));
        }
        let mut last_places: HashMap<&str, usize> = HashMap::new();
        for (index, (name, _)) in pairs.iter().enumerate() {
            last_places.insert(name, index);
        }
        for (index, (name, value)) in pairs.iter().enumerate() {
            let filter = if name == "tag" {
                Some(Filter::Tag(value.trim().to_owned()))
            } else if last_places.get(name.as_str()) == Some(&index) {
                parse_filter(name, value)?
            } else {
                None
            };
            query.filters.extend(filter.filter(|filter| !query.filters.contains(filter)));
            if query.filters.len() > FILTERS_MAX {
                return Err(Error::invalid(format!("A list takes {FILTERS_MAX} conditions at most.")));
            }
        }
        Ok(query)
    }
}

fn parse_member_status(value: Option<&str>) -> Result<MemberFilter> {
    match value {
        None => Ok(MemberFilter::Only(MemberStatus::Accepted)),
        Some("all") => Ok(MemberFilter::All),
        Some(text) => MemberStatus::parse(text).map(MemberFilter::Only).ok_or_else(|| {
            Error::invalid(format!(
                "Invalid status: {text:?}; must be one of pending, accepted, rejected, all"
            ))
        }),
    }
}

fn parse_visibility(value: Option<&str>) -> Result<VisibilityFilter> {
    match value {
        None => Ok(VisibilityFilter::Default),
        Some("") => Ok(VisibilityFilter::Nothing),
        Some("all") => Ok(VisibilityFilter::All),
        Some(text) => Visibility::parse(text)
            .map(VisibilityFilter::Only)
            .ok_or_else(|| Error::invalid(format!("Invalid visibility value: {text:?}"))),
    }
}

fn parse_os_hidden(value: Option<&str>) -> Result<bool> {
    match value {
        None => Ok(false),
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(text) => Err(Error::invalid(format!("Invalid os_hidden value: {text:?}; use true or false"))),
    }
}

fn parse_filter(name: &str, value: &str) -> Result<Option<Filter>> {
    if matches!(
        name,
        "tags"
            | "limit"
            | "marker"
            | "member_status"
            | "visibility"
            | "os_hidden"
            | "sort"
            | "sort_key"
            | "sort_dir"
            | "deleted"
    ) {
        return Ok(None);
    }
    if name == "protected" {
        return match value {
            "true" => Ok(Some(Filter::Protected(true))),
            "false" => Ok(Some(Filter::Protected(false))),
            _ => Err(Error::invalid(format!(
                "Invalid value {value:?} for filter protected: use true or false"
            ))),
        };
    }
    if let Some(column) = ["created_at", "updated_at"].into_iter().find(|c| *c == name) {
        return parse_time_filter(column, value).map(Some);
    }
    if let Some(column) = OPERATOR_COLUMNS.into_iter().find(|c| *c == name) {
        return parse_operator_filter(column, value).map(Some);
    }
    if let Some(column) = TEXT_COLUMNS.into_iter().find(|c| *c == name) {
        return Ok(Some(Filter::TextIn(column, vec![value.to_owned()])));
    }
    if let Some(column) = INTEGER_COLUMNS.into_iter().find(|c| *c == name) {
        return Ok(Some(match value.trim().parse() {
            Ok(number) => Filter::Integer(column, Comparison::Eq, number),
            Err(_) => Filter::Never,
        }));
    }
    for (suffix, comparison) in [("_min", Comparison::Gte), ("_max", Comparison::Lte)] {
        if let Some(stem) = name.strip_suffix(suffix) {
            let number = value.trim().parse().map_err(|_| {
                Error::invalid(format!("Unable to filter on a range with a non-numeric value: {value:?}"))
            })?;
            return match INTEGER_COLUMNS.into_iter().find(|c| *c == stem) {
                Some(column) => Ok(Some(Filter::Integer(column, comparison, number))),
                None => Err(Error::invalid(format!("Unable to filter on a range of {stem:?}"))),
            };
        }
    }
    Ok(Some(Filter::Property(name.to_owned(), value.to_owned())))
}

/// `op:value` by the first colon, unless the whole is a time.
fn split_operator(value: &str) -> (&str, &str) {
    if Timestamp::parse_iso(value).is_some() {
        return ("eq", value);
    }
    value.split_once(':').unwrap_or(("eq", value))
}

fn parse_time_filter(column: &'static str, value: &str) -> Result<Filter> {
    let (operator, text) = split_operator(value);
    let comparison = match operator {
        "eq" => Comparison::Eq,
        "neq" => Comparison::Neq,
        "lt" => Comparison::Lt,
        "lte" => Comparison::Lte,
        "gt" => Comparison::Gt,
        "gte" => Comparison::Gte,
        other => {
            return Err(Error::invalid(format!(
                "Unknown operator {other:?} in filter {column}: use gt, gte, lt, lte, eq or neq"
            )));
        }
    };
    let time = Timestamp::parse_iso(text)
        .ok_or_else(|| Error::invalid(format!("Bad time {text:?} in filter {column}: use ISO 8601")))?;
    Ok(Filter::Time(column, comparison, time))
}

fn parse_operator_filter(column: &'static str, value: &str) -> Result<Filter> {
    let (operator, text) = split_operator(value);
    match operator {
        "eq" => Ok(Filter::TextIn(column, vec![text.to_owned()])),
        "in" => Ok(Filter::TextIn(column, split_quoted_list(text)?)),
        other => Err(Error::invalid(format!(
            "Unable to filter {column} by unknown operator {other:?}: use eq or in"
        ))),
    }
}

/// Splits the list of `in:`; items may be double-quoted to include commas, and a backslash before a quote
/// stays in the value (`glance/common/utils.py: split_filter_value_for_quotes`).
///
/// # Errors
/// [`Error::Invalid`] for a quote that does not begin or end an item, or is not closed, and for too many items.
fn split_quoted_list(text: &str) -> Result<Vec<String>> {
    let bad =
        || Error::invalid(format!("Invalid filter value {text:?}: misplaced or unclosed quotation mark"));
    let mut items = Vec::new();
    let mut item = String::new();
    let mut characters = text.chars().peekable();
    let mut at_start = true;
    while let Some(character) = characters.next() {
        match character {
            '"' if at_start => {
                loop {
                    match characters.next().ok_or_else(bad)? {
                        '"' => break,
                        '\\' if characters.peek() == Some(&'"') => {
                            item.push('\\');
                            item.extend(characters.next());
                        }
                        other => item.push(other),
                    }
                }
                if characters.peek().is_some_and(|c| *c != ',') {
                    return Err(bad());
                }
                at_start = false;
            }
            '"' => return Err(bad()),
            ',' => {
                items.push(std::mem::take(&mut item));
                if items.len() >= VALUES_MAX {
                    return Err(Error::invalid(format!("in: takes {VALUES_MAX} values at most.")));
                }
                at_start = true;
            }
            '\\' if characters.peek() == Some(&'"') => {
                item.push('\\');
                item.extend(characters.next());
                at_start = false;
            }
            other => {
                item.push(other);
                at_start = false;
            }
        }
    }
    items.push(item);
    Ok(items)
}

#[cfg(test)]
mod tests;
