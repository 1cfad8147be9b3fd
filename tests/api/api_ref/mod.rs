//! `api-ref/openapi.yaml` held against the router and against real answers.

mod document;
pub mod routes;
mod walk;
mod walk_cache;
mod walk_extensions;
mod walk_metadefs;
mod walk_storages;
mod walk_stores;
mod walk_tasks;
mod walk_uploads;

use std::collections::BTreeSet;

use serde_json::json;
use vitrine::server::IdentityChoice;

use crate::support::{Client, Database, block_on};
use document::{Document, METHODS, Operation};

/// Answered by version negotiation, before the router.
const BEFORE_THE_ROUTER: [&str; 2] = ["/", "/versions"];
/// The id of no image.
const NO_IMAGE: &str = "00000000-0000-4000-8000-000000000000";

/// A path of the document with its parameters filled in.
fn filled(path: &str) -> String {
    path.split('/')
        .map(|segment| match segment {
            "{id}" => NO_IMAGE,
            // It would last.
            "stream" => "stream?seconds=1",
            "{name}" if path == "/v2/schemas/{name}" => "image",
            segment if segment.starts_with('{') => "none",
            segment => segment,
        })
        .collect::<Vec<_>>()
        .join("/")
}

#[test]
fn every_reference_names_something() {
    assert_eq!(Document::read().dangling(), Vec::<String>::new());
}

#[test]
fn the_document_and_the_router_have_the_same_methods_and_paths() {
    let document = Document::read();
    let (mut described, mut routed) = (BTreeSet::new(), BTreeSet::new());
    for operation in document.operations() {
        if !BEFORE_THE_ROUTER.contains(&operation.path) {
            let method = if operation.allow() == "any" { "any" } else { operation.method };
            described.insert((operation.path.to_owned(), method.to_owned(), operation.allow().to_owned()));
        }
    }
    for (path, route) in routes::read() {
        if route.allow == "any" {
            routed.insert((path, "any".to_owned(), "any".to_owned()));
        } else {
            for method in route.methods {
                routed.insert((path.clone(), method, route.allow.clone()));
            }
        }
    }
    assert!(routed.len() > 15, "the router's text cannot be read any more: {routed:?}");
    let missing: Vec<_> = routed.difference(&described).collect();
    let invented: Vec<_> = described.difference(&routed).collect();
    assert!(missing.is_empty() && invented.is_empty(), "missing {missing:#?}, invented {invented:#?}");
}

#[test]
fn operation_ids_are_unique() {
    let document = Document::read();
    let mut seen = BTreeSet::new();
    for operation in document.operations() {
        let id = operation.body["operationId"].as_str().unwrap_or_else(|| panic!("{}", operation.name()));
        assert!(seen.insert(id), "{id} is there twice");
    }
}

/// Sends an operation to nothing in particular and requires that the document knows the answer.
async fn probe(
    document: &Document,
    client: &Client,
    operation: &Operation<'_>,
    headers: &[(&str, &str)],
) -> u16 {
    let mut request = client.request(operation.method, &filled(operation.path));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let answer = request.await;
    let faults = document.faults(operation, &answer);
    assert!(faults.is_empty(), "{} {headers:?}: {faults:#?} in {answer:?}", operation.name());
    answer.status
}

#[test]
fn every_operation_is_routed_and_refuses_as_described() {
    block_on(async {
        let document = Document::read();
        let app = Database::Sqlite.app();
        let long = "x".repeat(65);
        for operation in document.operations() {
            let admin = app.as_admin();
            for accept in ["application/json", "text/html", "text/plain"] {
                let status = probe(&document, &admin, &operation, &[("accept", accept)]).await;
                let is_refused_always = operation.statuses().all(|status| status >= 400);
                assert!(
                    ![405, 501].contains(&status) || is_refused_always,
                    "{} answers {status}",
                    operation.name()
                );
            }
            if operation.is_guarded() {
                let json = ("accept", "application/json");
                assert_eq!(probe(&document, &app.as_nobody(), &operation, &[json]).await, 401);
                let away = app.with_token(Some("identity-is-away"));
                assert_eq!(probe(&document, &away, &operation, &[json]).await, 503);
                let id = ("x-openstack-request-id", long.as_str());
                assert_eq!(probe(&document, &admin, &operation, &[json, id]).await, 431);
            }
        }
    });
}

#[test]
fn other_methods_are_refused_with_the_described_allow() {
    block_on(async {
        let document = Document::read();
        let app = Database::Sqlite.app();
        let admin = app.as_admin();
        let operations = document.operations();
        for operation in operations.iter().filter(|o| o.allow() != "any") {
            let described: BTreeSet<_> =
                operations.iter().filter(|o| o.path == operation.path).map(|o| o.method).collect();
            for method in METHODS.into_iter().filter(|m| *m != "OPTIONS" && !described.contains(m)) {
                let answer = admin.request(method, &filled(operation.path)).await;
                let allow = operation.allow();
                let status = if allow.is_empty() { 404 } else { 405 };
                assert_eq!((answer.status, answer.header("allow")), (status, allow), "{answer:?}");
            }
        }
    });
}

#[test]
fn the_built_in_identity_has_every_described_route() {
    block_on(async {
        let document = Document::read();
        let app = Database::Sqlite.app_with(|options| {
            options.identity = IdentityChoice::Builtin(Default::default());
        });
        for operation in document.operations_of("identity.yaml") {
            // An unknown path answers 404, a known one asks for a token first.
            let expected = match (operation.is_guarded(), operation.path.trim_end_matches('/')) {
                (true, _) => 401,
                (false, "/identity") => 300,
                (false, "/identity/v3") => 200,
                (false, _) => 400,
            };
            let request = app.as_nobody().request(operation.method, &filled(operation.path));
            // Like Keystone, it names requests itself.
            let answer = request.header("x-openstack-request-id", "abc").await;
            assert_eq!(answer.status, expected, "{}: {answer:?}", operation.name());
            let id = answer.header("x-openstack-request-id");
            assert!(id.starts_with("req-") && id != "req-abc", "{}: {id:?}", operation.name());
            let described: Vec<u16> = operation.statuses().collect();
            assert!(described.contains(&expected), "{} lacks {expected}", operation.name());
        }
    });
}

#[test]
fn a_wrong_answer_is_noticed() {
    let document = Document::read();
    let schema = json!({"$ref": "#/files/openapi.yaml/components/schemas/MemberList"});
    let member = json!({"member_id": "p", "image_id": NO_IMAGE, "status": "pending", "schema": "/v2/schemas/member",
        "created_at": "2026-01-02T03:04:05Z", "updated_at": "2026-01-02T03:04:05Z"});
    let list = |member| json!({"members": [member], "schema": "/v2/schemas/members"});
    assert_eq!(document.schema_faults(&schema, &list(member.clone())), Vec::<String>::new());
    for (name, wrong) in [("status", "maybe"), ("created_at", "2026-01-02T03:04:05.678"), ("more", "")] {
        let mut member = member.clone();
        member[name] = json!(wrong);
        assert_eq!(document.schema_faults(&schema, &list(member)).len(), 1, "{name}");
    }
}
