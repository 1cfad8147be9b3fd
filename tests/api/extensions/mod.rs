//! `/ext/v1`: what the service does beyond Glance.

mod attach;
mod billers;
mod bundles;
mod consumers;
mod csv;
mod deleting;
mod families;
mod history;
mod images;
mod jobs;
mod lifecycle;
mod limits;
mod lint;
mod media_groups;
mod properties;
mod refused_uploads;
mod rescue;
mod retention;
mod slugs;
mod stores;
mod stream;
mod trash;
mod uploads;
mod usage;
mod webhooks;

use serde_json::json;

use crate::support::*;

/// What there is, is told to everybody; everything below asks for a token, and errors say why in a word.
#[test]
fn extensions_are_listed_and_refuse_in_their_own_shape() {
    block_on(async {
        let app = Database::Sqlite.app();
        let nobody = app.as_nobody();
        let listed = nobody.get("/ext/v1").await.expect(200).json();
        assert_eq!(listed["version"], "1.0");
        let features: Vec<&str> =
            listed["features"].as_array().unwrap().iter().map(|f| f.as_str().unwrap()).collect();
        let known = [
            "bundles",
            "consumers",
            "csv",
            "events",
            "families",
            "images",
            "jobs",
            "limits",
            "lint",
            "media-groups",
            "placement-rules",
            "rescue-image",
            "retention",
            "slugs",
            "stores",
            "trash",
            "uploads",
            "usage",
            "webhooks",
        ];
        assert_eq!(features, known);
        let rels: Vec<&str> =
            listed["links"].as_array().unwrap().iter().map(|l| l["rel"].as_str().unwrap()).collect();
        assert_eq!(rels[0], "self");
        assert_eq!(rels[1..], known);
        let refused = nobody.get("/ext/v1/jobs").await.expect(401);
        assert!(refused.header("x-openstack-request-id").starts_with("req-"));
        let alice = app.as_member("alice");
        for (method, path, status, reason) in [
            ("GET", "/ext/v1/jobs/none", 404, "not-found"),
            ("GET", "/ext/v1/nothing", 404, "not-found"),
            ("PUT", "/ext/v1/jobs", 405, "method-not-allowed"),
            ("GET", "/ext/v1/jobs?colour=red", 400, "bad-request"),
            ("GET", "/ext/v1/jobs?limit=0", 400, "bad-request"),
            ("GET", &*format!("/ext/v1/jobs?marker={}", "0".repeat(65)), 400, "bad-request"),
            ("GET", "/ext/v1/jobs?image_id=0000000000000000000000000000000000000", 400, "bad-request"),
            ("GET", "/ext/v1/jobs?limit=1&limit=2", 400, "bad-request"),
        ] {
            let error = alice.request(method, path).await.expect_for(status, path).json()["error"].clone();
            assert_eq!((&error["code"], &error["reason"]), (&json!(status), &json!(reason)), "{path}");
            assert_eq!(keys(&error), ["code", "title", "message", "reason", "details"], "{path}");
        }
        // What Glance answers there stays as it was.
        nobody.get("/ext").await.expect(300);
    });
}
