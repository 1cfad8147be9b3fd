//! Images in the accounts of projects: which server is called, and with whose token.

use std::{collections::BTreeMap, sync::Mutex};

use serde_json::Value;

use super::{
    scripted::{Request, Said, md5, said, serve},
    *,
};
use crate::{
    model::caller::{Caller, Token},
    store::NewBlob,
};

/// A Keystone whose tokens, trusts and catalogue are of one service, and a Swift that takes all.
fn answers(request: &Request) -> Said {
    let whose = request.value("x-auth-token").unwrap_or_default();
    match request.head[0].split(' ').collect::<Vec<_>>()[..2] {
        ["post", "/id/v3/auth/tokens"] => {
            let by_trust = String::from_utf8_lossy(&request.body).contains("OS-TRUST:trust");
            let (token, project) = if by_trust { ("trusted", "p1") } else { ("service", "own") };
            let host = request.value("host").unwrap();
            let address = format!("http://{host}/v1/AUTH_{project}");
            let body = json!({"token": {
                "issued_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-01T01:00:00Z",
                "user": {"id": "glance"}, "project": {"id": project},
                "catalog": [{"type": "object-store", "endpoints": [{"interface": "public", "url": address}]}],
            }});
            Said(201, vec![("X-Subject-Token", token.to_owned())], body.to_string().into_bytes(), 0)
        }
        ["get", "/id/v3/auth/tokens?nocatalog"] => {
            let roles = json!([{"id": "r1", "name": "Member"}]);
            let token = json!({"token": {"user": {"id": "alice"}, "project": {"id": "p1"}, "roles": roles}});
            Said(200, Vec::new(), token.to_string().into_bytes(), 0)
        }
        ["post", "/id/v3/os-trust/trusts"] => {
            Said(201, Vec::new(), b"{\"trust\": {\"id\": \"t1\"}}".to_vec(), 0)
        }
        ["delete", "/id/v3/os-trust/trusts/t1"] => said(204),
        ["head", path] if path.ends_with("kept_i") => said(204),
        ["head", _] => said(404),
        _ if whose == "ended" => said(401),
        ["put", _] => Said(201, vec![("ETag", md5(&request.body))], Vec::new(), 0),
        _ => said(204),
    }
}

fn projects(settings: Settings) -> (Settings, Projects) {
    let address = settings.accounts[0].address.replace("/auth", "/id");
    let said = [("auth_address", address.as_str()), ("user", "service:glance"), ("key", "k")];
    let said: BTreeMap<_, _> = said.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let accounts = vec![Account::of("ref1", &said, Version::Three).unwrap()];
    let settings = Settings { accounts, container: "kept".to_owned(), large: 1 << 20, ..settings };
    (settings, Projects { trusts: true, admins: vec!["a".to_owned(), "b".to_owned()] })
}

fn opened((settings, projects): (Settings, Projects)) -> NamedStore {
    let store = SwiftStore::new(&settings).unwrap();
    named(ProjectsStore::new(&store.shop, store.about(), &projects))
}

fn caller(project: &str, token: &str) -> Caller {
    let project_id = Some(project.to_owned());
    Caller { project_id, token: Some(Token::new(token)), ..Caller::default() }
}

const NAME: &str = "p1/kept_i/i";

/// Writes an image of project `p1`.
async fn sent(named: &NamedStore, caller: Option<&Caller>, size: Option<u64>) -> StoreResult<String> {
    let blob = id();
    let new = NewBlob { id: &blob, name: NAME, image: "i", owner: Some("p1"), size, caller };
    let mut writer = named.writer(&new).await?;
    let end = async {
        writer.write(Bytes::from_static(b"data")).await?;
        writer.sync().await?;
        writer.commit(NAME).await.map(StoreUrl::into_full)
    };
    let end = end.await;
    if end.is_err() {
        writer.cancel().await.unwrap();
    }
    end
}

/// The tokens with which Swift was asked for something in the account of `p1`, and what Keystone was.
fn tokens(asked: &Mutex<Vec<Request>>) -> (Vec<String>, Vec<String>) {
    let mut asked = asked.lock().unwrap();
    let (swift, keystone): (Vec<_>, Vec<_>) =
        asked.drain(..).partition(|request| request.head[0].contains(" /v1/auth_p1/kept_i"));
    let whose = |request: &Request| request.value("x-auth-token").unwrap().to_owned();
    let mut found: Vec<String> = swift.iter().map(whose).collect();
    found.dedup();
    let asked = keystone.iter().map(|request| request.head[0].split(" http/").next().unwrap().to_owned());
    (found, asked.collect())
}

/// Proves that an image is written in the name of the caller whose project it belongs to, by a trust where that may take
/// long, and in that of the service where nobody of the project asks; and that it is where Glance would have it.
#[tokio::test(flavor = "multi_thread")]
async fn callers_write_in_their_own_name() {
    let (settings, asked) = serve(|request, _| answers(request));
    let named = opened(projects(settings));
    let alice = caller("p1", "alices");
    let url = sent(&named, Some(&alice), Some(4)).await.unwrap();
    assert!(url.starts_with("swift+http://127.0.0.1:") && url.ends_with("/v1/AUTH_p1/kept_i/i"), "{url}");
    assert_eq!((named.name_of(&url), named.owns(&url)), (Some(NAME), true));
    assert_eq!(tokens(&asked).0, ["alices"]);
    for nobody in [None, Some(&caller("p2", "bobs"))] {
        sent(&named, nobody, Some(4)).await.unwrap();
        assert_eq!(tokens(&asked).0, ["service"]);
    }
    sent(&named, Some(&alice), None).await.unwrap();
    while !asked.lock().unwrap().iter().any(|request| request.is("delete /id")) {
        tokio::task::yield_now().await;
    }
    let (swift, keystone) = tokens(&asked);
    assert_eq!(swift, ["trusted"]);
    let trusts = ["get /id/v3/auth/tokens?nocatalog", "post /id/v3/os-trust/trusts"];
    let ended = ["post /id/v3/auth/tokens", "delete /id/v3/os-trust/trusts/t1"];
    assert_eq!(keystone, [trusts, ended].concat());
}

/// Proves that a caller whose token is refused is not lent the rights of the service.
#[tokio::test(flavor = "multi_thread")]
async fn sec_23_a_refused_token_is_not_replaced() {
    let (settings, asked) = serve(|request, _| answers(request));
    let named = opened(projects(settings));
    let error = sent(&named, Some(&caller("p1", "ended")), Some(4)).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Denied, "{error}");
    assert!(!format!("{error} {error:?}").contains("ended:"), "{error:?}");
    assert_eq!(tokens(&asked).0, ["ended"]);
}

/// Proves that the service reads at the addresses of the catalogue alone, whatever a location says.
#[tokio::test(flavor = "multi_thread")]
async fn sec_10_no_other_address_is_shown_a_token() {
    let (settings, asked) = serve(|request, _| answers(request));
    let place =
        settings.accounts[0].address.trim_start_matches("http://").trim_end_matches("/auth").to_owned();
    let (evil, never) = serve(|_, _| said(200));
    let evil = evil.accounts[0].address.trim_start_matches("http://").trim_end_matches("/auth").to_owned();
    let named = opened(projects(settings));
    for url in [
        format!("swift+http://{evil}/v1/AUTH_p1/kept_i/i"),
        format!("swift+https://{place}/v1/AUTH_p1/kept_i/i"),
        format!("swift+http://{place}/v2/AUTH_p1/kept_i/i"),
        format!("swift+http://{place}/v1/KEY_p1/kept_i/i"),
        format!("swift+http://{place}/v1/AUTH_p1/other_i/i"),
        format!("swift+http://{place}/v1/AUTH_p1/kept_i/j"),
        format!("swift+http://x:y@{place}/v1/AUTH_p1/kept_i/i"),
    ] {
        assert_eq!(named.stat(&url).await.unwrap_err().kind, StoreErrorKind::BadUrl, "{url}");
    }
    let right = format!("swift+http://{place}/v1/AUTH_p1/kept_i/i");
    assert_eq!(named.stat(&right).await.unwrap_err().kind, StoreErrorKind::NotFound);
    assert_eq!(tokens(&asked).0, ["service"]);
    assert!(never.lock().unwrap().is_empty());
}

/// Proves what Swift is told of readers, and that an image without a project has no account.
#[tokio::test(flavor = "multi_thread")]
async fn readers_are_told_to_swift() {
    let (settings, asked) = serve(|request, _| answers(request));
    let named = opened(projects(settings));
    let two = Readers::Projects(vec!["p2".to_owned(), "p3".to_owned()]);
    for (readers, expected) in
        [(two, "p2:*,p3:*"), (Readers::Everybody, "*:*"), (Readers::Projects(Vec::new()), "")]
    {
        named.admit(NAME, &readers).await.unwrap();
        let told = asked.lock().unwrap().pop().unwrap();
        assert!(told.is("post /v1/auth_p1/kept_i "), "{:?}", told.head);
        let header = |name: &str| told.value(name).map(str::trim).unwrap_or_default().to_owned();
        assert_eq!([header("x-container-read"), header("x-container-write")], [expected, "a:*,b:*"]);
    }
    let owned: Value = json!([named.name_for(Some("p1"), "i"), named.name_for(None, "i")]);
    assert_eq!(owned, json!([NAME, "i"]));
    assert_eq!(named.delete(&id(), "i").await.unwrap_err().kind, StoreErrorKind::Unsupported);
}

/// Proves that the store is asked in the account of the service whether it answers: there is an account of a project only
/// by the name of an image.
#[tokio::test]
async fn the_store_itself_is_asked_in_the_account_of_the_service() {
    let (settings, asked) = serve(|request, _| answers(request));
    opened(projects(settings)).probe().await.unwrap();
    let heads: Vec<_> = asked.lock().unwrap().iter().map(|request| request.head[0].clone()).collect();
    assert!(heads.last().unwrap().starts_with("head /v1/auth_own/kept/vitrine-probe "), "{heads:?}");
    let (settings, _) = serve(|request, _| match request.head[0].starts_with("head") {
        true => said(503),
        false => answers(request),
    });
    let silent = opened(projects(settings)).probe().await.unwrap_err();
    assert_eq!(silent.kind, StoreErrorKind::Unavailable, "{silent}");
}
