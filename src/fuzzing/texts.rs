//! Texts that operators write, and the request line and headers.

use std::{path::Path, sync::OnceLock};

use super::utf8::text;
use crate::{
    api::query,
    config::{self, Override, Sources, ini},
    model::{
        caller::Caller,
        list::{ListQuery, PageLimits},
        metadef::list::{NamespaceQuery, TagQuery, check_object_query},
        range,
        task_list::TaskQuery,
        time::Timestamp,
    },
    policy::{Enforcer, Expression, MapTarget, Rules, Settings, files},
};

/// Lines of a configuration file that are tried as options.
const OPTIONS_MAX: usize = 16;

/// A configuration file, and what its values mean.
pub(super) fn ini(data: &[u8]) {
    let Ok(text) = ini::decode(data) else { return };
    let parsed = ini::parse(text);
    let lines = text.lines().count() + text.matches('\r').count() + 1;
    assert!(parsed.faults.iter().all(|fault| (1..=lines).contains(&fault.line)), "a fault on no line");
    let mut overrides = Vec::new();
    for entry in parsed.entries.into_iter().take(OPTIONS_MAX) {
        overrides.push(Override { section: entry.section, option: entry.key, value: entry.value });
    }
    if !overrides.is_empty() {
        let _ = config::load(&Sources { overrides, ..Sources::default() }).report();
    }
}

/// A policy file.
pub(super) fn policy_file(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let _ = files::definitions(text, Path::new("policy.yaml"));
}

fn rules() -> Option<std::sync::Arc<Rules>> {
    static ENFORCER: OnceLock<Option<Enforcer>> = OnceLock::new();
    ENFORCER.get_or_init(|| Enforcer::new(Settings::default()).ok()).as_ref().map(Enforcer::rules)
}

/// A check string: decided, and the same when it is read back from its own text.
pub(super) fn policy_rule(data: &[u8]) {
    let (Some(text), Some(rules)) = (text(data), rules()) else { return };
    let Ok(expression) = Expression::parse(text) else { return };
    let caller = Caller {
        user_id: Some("u".to_owned()),
        project_id: Some("p".to_owned()),
        roles: vec!["member".to_owned(), "reader".to_owned()],
        ..Caller::default()
    };
    let target = MapTarget::new().with("project_id", "p").with("owner", "p").with("visibility", "private");
    let decided = rules.allows_expression(&expression, &caller, &target);
    let _ = rules.is_expression_remote(&expression);
    if let Ok(again) = Expression::parse(&expression.to_string()) {
        assert_eq!(
            rules.allows_expression(&again, &caller, &target),
            decided,
            "{expression} reads otherwise"
        );
    }
}

/// A query string, as every list reads it; the link to the next page asks for the same.
pub(super) fn query(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let _ = Timestamp::parse_iso(text).map(Timestamp::isotime);
    let Ok(pairs) = query::pairs(text) else { return };
    let limits = PageLimits { default: 25, max: 1000 };
    if let Ok(list) = ListQuery::parse(&pairs, limits) {
        assert!(list.limit <= limits.max && list.filters.len() <= 64, "the bounds of a list do not hold");
        let link = query::link("/v2/images", &pairs, Some("m"));
        let (_, next) = link.split_once('?').unwrap_or_default();
        let next = query::pairs(next).map(|pairs| ListQuery::parse(&pairs, limits));
        let wanted = ListQuery { marker: Some("m".to_owned()), ..list };
        assert_eq!(next.ok().and_then(Result::ok), Some(wanted), "the next page asks for something else");
    }
    let _ = (TaskQuery::parse(&pairs, limits), NamespaceQuery::parse(&pairs, limits));
    let _ = (TagQuery::parse(&pairs), check_object_query(&pairs));
}

/// `Range` and `Content-Range`, for data of the size that the first eight bytes say.
pub(super) fn range(data: &[u8]) {
    let Some((size, header)) = data.split_first_chunk::<8>() else { return };
    let (size, Some(header)) = (u64::from_le_bytes(*size), text(header)) else { return };
    for span in
        [range::parse_range(header, size), range::parse_content_range(header, size)].into_iter().flatten()
    {
        assert!(span.first <= span.last && span.last < size, "a range outside of the data");
    }
}
