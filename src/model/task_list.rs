//! The query of `GET /v2/tasks`: filters, order and page (`glance/api/v2/tasks.py: RequestDeserializer.index`).

use super::{
    error::{Error, Result},
    image::is_uuid,
    job::{JobKind, JobStatus},
    list::{Direction, PageLimits},
};

/// Columns of the list by which it may be sorted; texts can also be filtered for equality.
pub const SORT_KEYS: [&str; 7] = ["id", "type", "status", "owner", "created_at", "updated_at", "expires_at"];
/// Columns that can be filtered for equality besides type and status.
const TEXT_FILTERS: [&str; 5] = ["id", "owner", "image_id", "request_id", "user_id"];

/// A list request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskQuery {
    /// Rows per page, already capped.
    pub limit: u32,
    /// Id after which the page starts.
    pub marker: Option<String>,
    /// Column and direction of the order; ties are broken by id in the same direction.
    pub sort: (&'static str, Direction),
    /// Columns that must have these values.
    pub filters: Vec<(&'static str, String)>,
}

impl TaskQuery {
    /// Reads the decoded query pairs. Unlike the reference, every type is accepted as a filter.
    ///
    /// # Errors
    /// [`Error::Invalid`], naming the parameter and what is wrong with it.
    pub fn parse(pairs: &[(String, String)], limits: PageLimits) -> Result<Self> {
        let last = |name: &str| pairs.iter().rev().find(|(k, _)| k == name).map(|(_, v)| v.as_str());
        let marker = last("marker").map(str::to_owned);
        if let Some(marker) = marker.as_ref().filter(|m| !is_uuid(m)) {
            return Err(Error::invalid(format!("Invalid marker: {marker:?} is not the id of a task")));
        }
        let key = last("sort_key").unwrap_or("created_at").trim();
        let key = SORT_KEYS.into_iter().find(|k| *k == key).ok_or_else(|| {
            Error::invalid(format!("Invalid sort key: {key:?}; use one of {}", SORT_KEYS.join(", ")))
        })?;
        let direction = match last("sort_dir").unwrap_or("desc").trim() {
            "asc" => Direction::Asc,
            "desc" => Direction::Desc,
            other => {
                return Err(Error::invalid(format!("Invalid sort direction: {other:?}; use asc or desc")));
            }
        };
        let mut filters = Vec::new();
        if let Some(status) = last("status") {
            // Glance takes an empty one, which no task has.
            if !status.is_empty() && JobStatus::parse(status).is_none() {
                return Err(Error::invalid(format!("Invalid status value: {status:?}")));
            }
            filters.push(("status", status.to_owned()));
        }
        if let Some(kind) = last("type") {
            if !kind.is_empty() && !JobKind::ALL.iter().any(|known| known.task_type() == kind) {
                return Err(Error::invalid(format!("Invalid type value: {kind:?}")));
            }
            filters.push(("type", kind.to_owned()));
        }
        for name in TEXT_FILTERS {
            filters.extend(last(name).map(|value| (name, value.to_owned())));
        }
        Ok(Self { limit: limits.page(last("limit"))?, marker, sort: (key, direction), filters })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn parse(query: &[(&str, &str)]) -> Result<TaskQuery> {
        let pairs: Vec<_> = query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        TaskQuery::parse(&pairs, PageLimits { default: 25, max: 1000 })
    }

    #[test]
    fn bad_parameters_are_refused_and_unknown_ones_ignored() {
        for bad in [
            ("limit", "-1"),
            ("marker", "x"),
            ("sort_key", "message"),
            ("sort_dir", "up"),
            ("status", "done"),
            ("type", "export"),
        ] {
            assert!(parse(&[bad]).is_err(), "{bad:?}");
        }
        assert_eq!(parse(&[("status", "")]).unwrap().filters, [("status", String::new())]);
        let query = parse(&[("colour", "red"), ("type", "api_image_import"), ("owner", "p")]).unwrap();
        assert_eq!(query.sort, ("created_at", Direction::Desc));
        assert_eq!(query.filters, [("type", "api_image_import".to_owned()), ("owner", "p".to_owned())]);
    }
}
