//! Names of projects from a Keystone: how often it is asked, and what comes of an unusable answer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;

use futures::future::join_all;
use serde_json::json;

use super::{fake::Fake, settings::Settings};
use crate::identity::Identity;

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

fn names(names: &[(&str, &str)]) -> HashMap<String, String> {
    names.iter().map(|(id, name)| ((*id).to_owned(), (*name).to_owned())).collect()
}

/// Proves that however many ask at once, Keystone is asked once for each project, and not again for one that it does not
/// know; that no owner which cannot be a project gets into a path; and that a token that was revoked is replaced.
#[tokio::test]
async fn each_project_is_asked_for_once() {
    let fake = Fake::start();
    fake.answers("/v3/projects/p1", json!({"project": {"id": "p1", "name": "alpha"}}));
    fake.answers("/v3/projects/p2", json!({"project": {"id": "p2", "name": "beta"}}));
    let keystone = fake.keystone();
    let wanted = || ids(&["p1", "gone", "p2", "../users", "p1?x", "", "p1"]);
    let answers = join_all((0..20).map(|_| keystone.project_names(wanted()))).await;
    assert_eq!(answers.len(), 20);
    for answer in answers {
        assert_eq!(answer, names(&[("p1", "alpha"), ("p2", "beta")]));
    }
    let mut asked = fake.gets();
    asked.sort();
    assert_eq!(asked, ["/v3/projects/gone", "/v3/projects/p1", "/v3/projects/p2"]);
    assert_eq!(fake.asked().0, 1, "one login");

    fake.forget_logins();
    fake.answers("/v3/projects/p3", json!({"project": {"id": "p3", "name": "gamma"}}));
    assert_eq!(keystone.project_names(ids(&["p3"])).await, names(&[("p3", "gamma")]));
    assert_eq!(fake.asked().0, 2, "it logged in again");
}

/// Proves that a Keystone which refuses is left alone for a while, during which the names that are known are still told.
#[tokio::test]
async fn a_keystone_that_refuses_is_left_alone() {
    let fake = Fake::start();
    fake.answers("/v3/projects/p1", json!({"project": {"id": "p1", "name": "alpha"}}));
    let keystone = super::fake::connect(Settings { http_request_max_retries: 0, ..fake.settings() });
    assert_eq!(keystone.project_names(ids(&["p1"])).await, names(&[("p1", "alpha")]));
    fake.forget_logins();
    *fake.state.login_status.lock().unwrap() = Some(403);
    assert_eq!(keystone.project_names(ids(&["p2"])).await, HashMap::new());
    let logins = fake.asked().0;
    assert_eq!(logins, 2);
    assert_eq!(keystone.project_names(ids(&["p1", "p2", "p3"])).await, names(&[("p1", "alpha")]));
    assert_eq!(fake.asked().0, logins, "nobody asks again");
}
