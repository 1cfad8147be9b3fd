//! Limits of a Keystone: what is asked, how often, and what is done while it is away.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use serde_json::{Value, json};

use super::{
    fake::Fake,
    limits::{KeystoneLimits, LimitSettings},
    settings::Settings,
};
use crate::{
    identity::limits::LimitSource,
    model::unified::{ProjectLimits, Resource, UnifiedLimits},
};

const ENDPOINT: &str = "/v3/endpoints/e1";
const MODEL: &str = "/v3/limits/model";
const REGISTERED: &str = "/v3/registered_limits?service_id=s1&region_id=RegionOne";
const OF_ALPHA: &str = "/v3/limits?service_id=s1&region_id=RegionOne&project_id=alpha";
const OF_BETA: &str = "/v3/limits?service_id=s1&region_id=RegionOne&project_id=beta";

fn row(name: &str, limit: i64) -> Value {
    json!({"id": "1", "resource_name": name, "resource_limit": limit, "description": null})
}

fn keystone() -> Fake {
    let fake = Fake::start();
    let endpoint = json!({"id": "e1", "service_id": "s1", "region_id": "RegionOne", "interface": "public"});
    let registered = json!([{"id": "1", "resource_name": "image_size_total", "default_limit": 10},
                            {"id": "2", "resource_name": "image_count_total", "default_limit": -1}]);
    fake.answers(MODEL, json!({"model": {"name": "flat", "description": "…"}}));
    fake.answers(ENDPOINT, json!({ "endpoint": endpoint }));
    fake.answers(REGISTERED, json!({ "registered_limits": registered }));
    fake.answers(OF_ALPHA, json!({"limits": [row("image_size_total", 3)]}));
    fake.answers(OF_BETA, json!({"limits": []}));
    fake.answers("/v3/services?type=image", json!({"services": [{"id": "s1", "type": "image"}]}));
    fake.answers(
        "/v3/endpoints?service_id=s1&interface=internal&region_id=RegionOne",
        json!({"endpoints": [endpoint]}),
    );
    fake
}

fn settings(fake: &Fake) -> LimitSettings {
    let login = fake.settings();
    let login = Settings { project_name: None, system_scope: Some("all".to_owned()), ..login };
    LimitSettings {
        login: Settings { http_request_max_retries: 0, ..login },
        endpoint_override: None,
        endpoint_id: Some("e1".to_owned()),
        endpoint_service_type: None,
        endpoint_service_name: None,
        endpoint_region_name: None,
        endpoint_interface: "public".to_owned(),
        cache: Duration::from_secs(3600),
        last_known: Duration::from_secs(3600),
    }
}

fn each(limits: &UnifiedLimits) -> [i64; 4] {
    Resource::ALL.map(|resource| limits.get(resource))
}

fn shown(limits: ProjectLimits) -> [i64; 4] {
    assert_eq!(limits.shared, None);
    each(&limits.own)
}

/// Proves that a project's limit precedes the registered one, that what is not registered is 0, and that however many ask
/// at once, of however many projects, Keystone is asked once for each thing.
#[tokio::test]
async fn each_thing_is_asked_once() {
    let fake = keystone();
    let limits = KeystoneLimits::new(settings(&fake)).unwrap();
    let ask = |at: usize| limits.limits_of(Some(if at.is_multiple_of(2) { "alpha" } else { "beta" }));
    let answers = join_all((0..40).map(ask)).await;
    for (at, answer) in answers.into_iter().enumerate() {
        let size = if at.is_multiple_of(2) { 3 } else { 10 };
        assert_eq!(shown(answer.unwrap()), [size, 0, -1, 0]);
    }
    // Who has no project has what is registered.
    assert_eq!(shown(limits.limits_of(None).await.unwrap()), [10, 0, -1, 0]);
    let mut asked = fake.gets();
    asked.sort();
    assert_eq!(asked, [ENDPOINT, MODEL, OF_ALPHA, OF_BETA, REGISTERED]);
    assert_eq!(fake.asked().0, 1, "one login");
}

/// Proves that the endpoint is found by service, region and interface as well.
#[tokio::test]
async fn the_endpoint_is_found_by_its_service() {
    let fake = keystone();
    let limits = KeystoneLimits::new(LimitSettings {
        endpoint_id: None,
        endpoint_service_type: Some("image".to_owned()),
        endpoint_region_name: Some("RegionOne".to_owned()),
        endpoint_interface: "internalURL".to_owned(),
        ..settings(&fake)
    });
    let limits = limits.unwrap();
    assert_eq!(shown(limits.limits_of(Some("alpha")).await.unwrap()), [3, 0, -1, 0]);
    let nowhere = LimitSettings { endpoint_id: None, ..settings(&fake) };
    assert_eq!(KeystoneLimits::new(nowhere).err().unwrap().option, "endpoint_id");
}

/// Proves that limits are asked for again after their time, that a token that was revoked is replaced, and that the last
/// known limits do while Keystone is away, but for those of whom nothing is known.
#[tokio::test]
async fn the_last_known_limits_outlive_keystone() {
    let fake = keystone();
    let limits = KeystoneLimits::new(LimitSettings { cache: Duration::ZERO, ..settings(&fake) }).unwrap();
    assert_eq!(shown(limits.limits_of(Some("alpha")).await.unwrap())[0], 3);
    fake.answers(OF_ALPHA, json!({"limits": [row("image_size_total", 4)]}));
    fake.forget_logins();
    assert_eq!(shown(limits.limits_of(Some("alpha")).await.unwrap())[0], 4);
    assert_eq!(fake.asked().0, 2);
    fake.answers(OF_ALPHA, Value::Null);
    fake.answers(REGISTERED, Value::Null);
    assert_eq!(shown(limits.limits_of(Some("alpha")).await.unwrap()), [4, 0, -1, 0]);
    assert!(limits.limits_of(Some("gamma")).await.unwrap_err().to_string().contains("404"));
}

/// Proves that a model that cannot be enforced is not taken for one that can, and that what Keystone denies our user is not
/// taken for no limits.
#[tokio::test]
async fn what_is_not_understood_is_no_limit() {
    let fake = keystone();
    fake.answers(MODEL, json!({"model": {"name": "three-levels"}}));
    let limits = Arc::new(KeystoneLimits::new(settings(&fake)).unwrap());
    let error = limits.limits_of(Some("alpha")).await.unwrap_err().to_string();
    assert!(error.contains("three-levels"), "{error}");
    fake.answers(MODEL, json!({"model": {"name": "flat"}}));
    fake.answers(OF_ALPHA, json!({"error": {"code": 403}}));
    let error = limits.limits_of(Some("alpha")).await.unwrap_err().to_string();
    assert!(error.contains("limits"), "{error}");
}

/// Proves that with Keystone's model of two levels the domain's limits come along, the registered ones where it has none,
/// with all of its projects, and that a list with projects missing is not taken for all.
#[tokio::test]
async fn two_levels_bring_the_limits_of_the_domain() {
    let fake = keystone();
    fake.answers(MODEL, json!({"model": {"name": "strict_two_level"}}));
    fake.answers(
        "/v3/projects/alpha",
        json!({"project": {"id": "alpha", "domain_id": "d1", "parent_id": "d1"}}),
    );
    fake.answers(
        "/v3/limits?service_id=s1&region_id=RegionOne&domain_id=d1",
        json!({"limits": [row("image_size_total", 5)]}),
    );
    let projects = "/v3/projects?domain_id=d1";
    fake.answers(projects, json!({"projects": [{"id": "alpha"}], "truncated": true}));
    let limits = KeystoneLimits::new(LimitSettings { cache: Duration::ZERO, ..settings(&fake) }).unwrap();
    let error = limits.limits_of(Some("alpha")).await.unwrap_err().to_string();
    assert!(error.contains("list_limit"), "{error}");
    for listed in [vec!["alpha", "beta"], vec!["beta"]] {
        let rows: Vec<Value> = listed.iter().map(|id| json!({"id": id})).collect();
        fake.answers(projects, json!({ "projects": rows }));
        let found = limits.limits_of(Some("alpha")).await.unwrap();
        assert_eq!(each(&found.own), [3, 0, -1, 0]);
        let shared = found.shared.unwrap();
        assert_eq!((shared.domain.as_str(), each(&shared.limits)), ("d1", [5, 0, -1, 0]));
        let mut projects = shared.projects;
        projects.sort();
        assert_eq!(projects, ["alpha", "beta"]);
    }
    // Who has no project has no domain.
    assert_eq!(shown(limits.limits_of(None).await.unwrap()), [10, 0, -1, 0]);
}
