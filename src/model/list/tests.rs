//! List queries: what is accepted, in which spelling, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;

const LIMITS: PageLimits = PageLimits { default: 25, max: 1000 };

fn parse(query: &[(&str, &str)]) -> Result<ListQuery> {
    let pairs: Vec<_> = query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    ListQuery::parse(&pairs, LIMITS)
}

#[test]
fn bad_parameters_are_refused() {
    for bad in [
        [("limit", "-1")],
        [("limit", "")],
        [("limit", "x")],
        [("member_status", "maybe")],
        [("visibility", "PUBLIC")],
        [("os_hidden", "1")],
        [("protected", "True")],
        [("changes-since", "")],
        [("name", "a:b")],
        [("status", "neq:active")],
        [("created_at", "gt:yesterday")],
        [("created_at", "about:2020-01-01")],
        [("size_min", "big")],
        [("foo_min", "1")],
        [("name", "in:\"a")],
        [("name", "in:a\"b\"")],
        [("name", "in:\"a\"b")],
        [("sort", "name:asc:desc")],
        [("sort", "name,,id")],
        [("sort_key", "owner")],
        [("sort_dir", "ASC")],
    ] {
        assert!(parse(&bad).is_err(), "{bad:?}");
    }
    assert!(parse(&[("sort", "name"), ("sort_dir", "asc")]).is_err());
    assert!(parse(&[("sort_key", "name"), ("sort_dir", "asc"), ("sort_dir", "desc")]).is_err());
}

#[test]
fn filters_mean_what_they_mean_in_glance() {
    let query = parse(&[
        ("name", "eq:a:b"),
        ("status", "in:active,\"que,ued\",\"a\\\"b\""),
        ("created_at", "gte:2020-01-01T00:00:00Z"),
        ("size_max", "10"),
        ("tag", " x "),
        ("tag", "y"),
        ("os_distro", "debian"),
        ("limit", "5000"),
    ])
    .unwrap();
    assert_eq!(
        query.filters,
        vec![
            Filter::TextIn("name", vec!["a:b".into()]),
            Filter::TextIn("status", vec!["active".into(), "que,ued".into(), "a\\\"b".into()]),
            Filter::Time("created_at", Comparison::Gte, Timestamp::parse_iso("2020").unwrap()),
            Filter::Integer("size", Comparison::Lte, 10),
            Filter::Tag("x".into()),
            Filter::Tag("y".into()),
            Filter::Property("os_distro".into(), "debian".into()),
        ]
    );
    assert_eq!(query.limit, 1000);
    let twice = parse(&[("name", "a"), ("name", "b")]).unwrap();
    assert_eq!(twice.filters, vec![Filter::TextIn("name", vec!["b".into()])]);
}

#[test]
fn sort_gets_its_tie_breakers() {
    use Direction::{Asc, Desc};
    for (query, expected) in [
        (vec![], vec![("created_at", Desc), ("id", Desc)]),
        (vec![("sort_key", "name")], vec![("name", Desc), ("created_at", Desc), ("id", Desc)]),
        (
            vec![("sort_key", "name"), ("sort_dir", "asc")],
            vec![("name", Asc), ("created_at", Asc), ("id", Asc)],
        ),
        (
            vec![("sort", "name:asc,size:desc")],
            vec![("name", Asc), ("size", Desc), ("created_at", Desc), ("id", Desc)],
        ),
        (vec![("sort", "id:asc")], vec![("id", Asc), ("created_at", Asc)]),
        (vec![("sort_dir", "asc")], vec![("created_at", Asc), ("id", Asc)]),
    ] {
        assert_eq!(parse(&query).unwrap().sort, expected, "{query:?}");
    }
}

#[test]
fn conditions_and_values_are_bounded() {
    let named = |count: usize| (0..count).map(|n| (format!("p{n}"), "v".to_owned())).collect::<Vec<_>>();
    assert_eq!(ListQuery::parse(&named(64), LIMITS).unwrap().filters.len(), 64);
    assert!(ListQuery::parse(&named(65), LIMITS).is_err());
    // What is said again is no further condition.
    let again = vec![("tag".to_owned(), "t".to_owned()); 65];
    assert_eq!(ListQuery::parse(&again, LIMITS).unwrap().filters, [Filter::Tag("t".to_owned())]);
    let values = |count: usize| format!("in:{}", vec!["v"; count].join(","));
    assert!(parse(&[("name", &values(100))]).is_ok());
    assert!(parse(&[("name", &values(101))]).is_err());
    let keys = vec![("sort_key".to_owned(), "name".to_owned()); 9];
    assert_eq!(ListQuery::parse(&keys, LIMITS).unwrap().sort.len(), 3);
}
