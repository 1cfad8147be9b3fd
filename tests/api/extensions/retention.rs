//! Rules about which images of a project stay (specification of the extensions, section m).

use serde_json::{Value, json};
use vitrine::image::retention;

use crate::support::*;

const DAY: i64 = 24 * 3600;
const RULES: &str = "/ext/v1/retention/alice";

/// So many images with data of alice's, a day apart, the oldest first.
async fn many(app: &TestApp, count: usize, family: Option<&str>) -> Vec<String> {
    let (alice, mut ids) = (app.as_member("alice"), Vec::new());
    for _ in 0..count {
        let new = image().raw();
        let id = alice.created(family.map_or(new.clone(), |name| new.with("image_family", name))).await;
        alice.upload(&id, "data").await.expect(204);
        ids.push(id);
        app.later(DAY);
    }
    ids
}

/// Why the images stay, `null` for those that do not.
fn reasons(report: &Value, ids: &[String]) -> Vec<Value> {
    let of = |id: &String| {
        let images = report["images"].as_array().unwrap();
        images.iter().find(|image| image["id"] == json!(id)).unwrap()["reason"].clone()
    };
    ids.iter().map(of).collect()
}

on_each_database! {
    /// A rule deletes what nothing keeps, says why it keeps the rest, and never takes an image that is in use.
    async fn a_rule_deletes_what_nothing_keeps(database: Database) {
        let app = database.app();
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        let ids = many(&app, 7, Some("debian")).await;
        let other = many(&app, 1, Some("ubuntu")).await;
        let used = format!("/ext/v1/images/{}/consumers/server/s", ids[0]);
        app.as_admin().put(&used).await.expect(201);
        let set = |name: &str, value: Value| json!([{"op": "add", "path": format!("/{name}"), "value": value}]);
        alice.update(&ids[1], set("protected", json!(true))).await.expect(200);
        alice.update(&ids[2], set("tags", json!(["golden"]))).await.expect(200);
        alice.update(&ids[3], set("obsolete_at", json!("2099-01-01"))).await.expect(200);
        let rule = json!({"keep_last": 1, "keep_days": 2, "action": "delete", "keep_if": {"tag": "golden", "in_use": false}});
        let put = alice.put(&format!("{RULES}?family=debian")).json(&rule).await.expect(200).json();
        assert_eq!((&put["rule"]["family"], &put["rule"]["report"]), (&json!("debian"), &Value::Null));

        let run = async |query: &str| {
            let place = format!("{RULES}/run?family=debian{query}");
            alice.post(&place).await.expect(200).json()["report"].clone()
        };
        let plan = run("&dry_run=true").await;
        let expected = json!(["in-use", "protected", "tag", "before-eol", null, null, "current"]);
        assert_eq!(json!(reasons(&plan, &ids)), expected);
        assert_eq!((&plan["acted"], &plan["dry_run"]), (&json!(2), &json!(true)));
        for id in &ids {
            alice.show(id).await.expect(200);
        }
        // The day comes, and what was planned is done.
        app.later(DAY / 2);
        assert_eq!(retention::run_due(&app.app().images).await.unwrap(), 0);
        app.later(DAY);
        assert_eq!(retention::run_due(&app.app().images).await.unwrap(), 2);
        let listed = alice.get(RULES).await.expect(200).json();
        let report = &listed["rules"][0]["report"];
        assert_eq!(json!(reasons(report, &ids)), expected);
        assert_eq!(report["kept"], json!({"in-use": 1, "protected": 1, "tag": 1, "before-eol": 1, "current": 1}));
        for (place, id) in ids.iter().enumerate() {
            alice.show(id).await.expect_for(if matches!(place, 4 | 5) { 404 } else { 200 }, place);
        }
        alice.show(&other[0]).await.expect(200);
        assert_eq!(retention::run_due(&app.app().images).await.unwrap(), 0);
        app.as_admin().delete(&used).await.expect(204);
        assert_eq!(run("").await["acted"], 1);
        alice.show(&ids[0]).await.expect(404);
        alice.delete(&format!("{RULES}?family=debian")).await.expect(204);
        alice.delete(&format!("{RULES}?family=debian")).await.expect(404);
        alice.post(&format!("{RULES}/run?family=debian")).await.expect(404);
        admin.get(RULES).await.expect(200);
        alice.update(&ids[1], set("protected", json!(false))).await.expect(200);
    }

    /// The rule of a project is about all images of it whose family has no rule of its own, each family by itself; retired
    /// images are kept, and are not retired twice.
    async fn the_rule_of_a_project_leaves_families_with_their_own(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let (debian, ubuntu) = (many(&app, 2, Some("debian")).await, many(&app, 3, Some("ubuntu")).await);
        let none = many(&app, 3, None).await;
        let rule = json!({"keep_last": 2, "action": "retire"});
        alice.put(RULES).json(&rule).await.expect(200);
        alice.put(&format!("{RULES}?family=debian")).json(&json!({"keep_last": 9, "action": "retire"})).await.expect(200);
        let run = async || alice.post(&format!("{RULES}/run")).await.expect(200).json()["report"].clone();
        let report = run().await;
        assert_eq!(json!(reasons(&report, &ubuntu)), json!([null, "keep-last", "current"]));
        assert_eq!(json!(reasons(&report, &none)), json!([null, "keep-last", "current"]));
        assert!(!report.to_string().contains(&debian[0]), "{report}");
        for id in [&ubuntu[0], &none[0]] {
            let shown = alice.show(id).await.expect(200).json();
            assert_eq!((&shown["lifecycle_state"], &shown["os_hidden"]), (&json!("retired"), &json!(true)));
        }
        let report = run().await;
        assert_eq!((&report["acted"], &report["kept"]["retired"]), (&json!(0), &json!(2)));
        let page = alice.get(&format!("{RULES}?limit=1")).await.expect(200).json();
        assert_eq!(page["rules"][0]["family"], Value::Null);
        let rest = alice.get(page["next"].as_str().unwrap()).await.expect(200).json();
        assert_eq!((&rest["rules"][0]["family"], &rest["rules"][0]["rule"]["keep_last"]), (&json!("debian"), &json!(9)));
    }

    /// An image that comes into use, or is protected, after it was judged stays.
    async fn what_comes_into_use_meanwhile_stays(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let ids = many(&app, 12, None).await;
        alice.put(RULES).json(&json!({"keep_last": 1, "action": "delete"})).await.expect(200);
        let tell = ids[..11].iter().map(|id| {
            let place = format!("/ext/v1/images/{id}/consumers/server/s");
            app.as_admin().put(&place).into_future()
        });
        let run = alice.post(&format!("{RULES}/run"));
        let (told, report) = futures::future::join(futures::future::join_all(tell), run.into_future()).await;
        let report = report.expect(200).json()["report"].clone();
        for (answer, (id, reason)) in told.iter().zip(ids.iter().zip(reasons(&report, &ids))) {
            let kept = reason != Value::Null;
            assert_eq!(answer.status == 201, kept, "{reason}");
            alice.show(id).await.expect_for(if kept { 200 } else { 404 }, &reason);
        }
    }
}

/// Rules are those of a project's own members, and what is none is refused.
#[test]
fn rules_are_the_projects_own() {
    block_on(async {
        let app = Database::Sqlite.app();
        let (alice, rule) = (app.as_member("alice"), json!({"keep_last": 1, "action": "retire"}));
        for client in [app.as_member("bob"), app.as_reader("alice")] {
            client.put(RULES).json(&rule).await.expect(403);
            client.get(RULES).await.expect(403);
            client.delete(RULES).await.expect(403);
            client.post(&format!("{RULES}/run")).await.expect(403);
        }
        alice.put(RULES).json(&json!({"keep_last": 0, "action": "retire"})).await.expect(400);
        for query in ["family=No", "family=a&family=b", "colour=red", "dry_run=true"] {
            alice.put(&format!("{RULES}?{query}")).json(&rule).await.expect_for(400, query);
        }
        alice.post(&format!("{RULES}/run?dry_run=perhaps")).await.expect(400);
        alice.get(&format!("{RULES}?marker=No")).await.expect(400);
        alice.put(&format!("/ext/v1/retention/{}", "a".repeat(256))).json(&rule).await.expect(400);
        app.as_admin().put(RULES).json(&rule).await.expect(200);
    });
}
