//! Usage and what it costs (specification of the extensions, section c).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use vitrine::{
    db::events,
    model::{
        consumer::InUse,
        time::Timestamp,
        usage::meter::{HOUR, Rules, hour_of},
    },
};

use crate::support::*;

pub(super) const GIGA: i64 = 1_000_000_000;

/// Turns the clock forward to so many minutes after the next whole hour.
pub(super) fn turn_to(app: &TestApp, minutes: i64) {
    let now = app.app().db.clock.now();
    let then = hour_of(now).plus_seconds(3600 + minutes * 60);
    app.later((then.0 - now.0) / 1_000_000 + 1);
}

/// An app where each image counts for ten gigabytes at least.
pub(super) fn app(database: Database) -> TestApp {
    database.app_with(|options| {
        options.usage.rules = Rules { min_bytes: 10 * GIGA, ..Rules::default() };
        options.image.in_use = InUse::Allow;
    })
}

pub(super) async fn active(client: &Client, new: NewImage) -> String {
    let id = client.created(new.raw()).await;
    client.upload(&id, "data").await.expect(204);
    id
}

/// The hour in which it is, as parameters want it.
pub(super) fn hour(app: &TestApp, hours: i64) -> String {
    hour_of(app.app().db.clock.now()).plus_seconds(hours * 3600).isotime()
}

pub(super) fn report(client: &Client, from: &str, to: &str, more: &str) -> Request {
    client.get(&format!("/ext/v1/usage/report?from={from}&to={to}{more}"))
}

pub(super) fn images(report: &Value) -> &Vec<Value> {
    report["sections"]["images"]["lines"].as_array().unwrap()
}

/// Follows `next` to the end.
pub(super) async fn all(client: &Client, path: &str, member: &str) -> Vec<Value> {
    let (mut rows, mut next) = (Vec::new(), path.to_owned());
    loop {
        let page = client.get(&next).await.expect(200).json();
        rows.extend(page[member].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(link) => next = link.to_owned(),
            None => return rows,
        }
    }
}

on_each_database! {
    /// The example of the specification: ten gigabytes from a quarter past one hour to five past the second after it are
    /// three hours, prorated; the bill stops with the deletion, and the report of that time stays as it is.
    async fn an_image_is_charged_from_its_data_to_its_deletion(database: Database) {
        let app = app(database);
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        let rates = json!({"currency": "EUR", "default": "0.05"});
        admin.put("/ext/v1/usage/rates").json(&rates).await.expect(200);
        turn_to(&app, 5);
        let id = alice.created(image().raw().named("web").with("media_group", "Linux").tags(&["b", "a"])).await;
        turn_to(&app, 15);
        let from = hour(&app, 0);
        alice.upload(&id, "data").await.expect(204);
        turn_to(&app, 30);
        alice.act(&id, "deactivate").await.expect(204);
        turn_to(&app, 5);
        let open = report(&alice, &from, &hour(&app, 24), "").await.expect(200).json();
        assert_eq!((&images(&open)[0]["hours"], &images(&open)[0]["to"]), (&json!(3), &Value::Null));
        alice.remove(&id).await.expect(204);
        let to = hour(&app, 1);
        let closed = report(&alice, &from, &to, "").await.expect(200).json();
        let line = &images(&closed)[0];
        let expected = json!({"project_id": "alice", "image_id": id, "image_name": "web", "store": null,
            "media_group": null, "sku": null, "tags": ["a", "b"], "hours": 3, "gb": 10.0, "bytes": 10 * GIGA,
            "gb_month": 0.041096, "byte_seconds": "108000000000000", "rate": "0.0500", "amount": "0.0021",
            "first_hour": from, "last_hour": hour(&app, 0), "from": line["from"], "to": line["to"]});
        assert_eq!(*line, expected);
        let total = json!({"hours": 3, "gb_month": 0.041096, "byte_seconds": "108000000000000", "amount": "0.0021"});
        assert_eq!(closed["sections"]["images"]["total"], total);
        assert_eq!((&closed["unit"], &closed["hours_per_month"], &closed["currency"]), (&json!("GB"), &json!(730), &json!("EUR")));
        app.later(100 * 3600);
        assert_eq!(report(&alice, &from, &to, "").await.expect(200).json(), closed);
        // Whole hours add up.
        let mut sum = 0;
        for hours in 0..3 {
            let begin = Timestamp::parse_iso(&from).unwrap().plus_seconds(hours * 3600);
            let (from, to) = (begin.isotime(), begin.plus_seconds(3600).isotime());
            let part = report(&admin, &from, &to, "&group=project").await.expect(200).json();
            sum += images(&part)[0]["byte_seconds"].as_str().unwrap().parse::<i64>().unwrap();
        }
        assert_eq!(sum, 108_000 * GIGA);
        let csv = report(&alice, &from, &to, "&format=csv").await.expect(200);
        let name = format!("attachment; filename=\"usage-{}-{}.csv\"", &from[..10], &to[..10]);
        assert_eq!((csv.header("content-type"), csv.header("content-disposition")), ("text/csv; charset=utf-8", &*name));
        let (first, last) = (&line["first_hour"].as_str().unwrap(), &line["last_hour"].as_str().unwrap());
        let head = "section,project_id,project_name,image_id,image_name,sku,tags,gb,hours,gb_month,rate,amount,first_hour,\
            last_hour,store,media_group,byte_seconds";
        let row = format!("images,alice,'=alice,{id},web,,\"a,b\",10,3,0.041096,0.0500,0.0021,{first},{last},,,108000000000000");
        assert_eq!(csv.text(), format!("{head}\r\n{row}\r\n"));
    }

    /// A project sees its own usage, whoever may see all sees all, and nobody else sees any.
    async fn each_project_sees_its_own(database: Database) {
        let app = app(database);
        let (alice, bob, admin) = (app.as_member("alice"), app.as_reader("bob"), app.as_admin());
        let (own, theirs) = (active(&alice, image()).await, active(&app.as_member("bob"), image()).await);
        turn_to(&app, 10);
        let (from, to) = (hour(&app, -1), hour(&app, 0));
        let ids = async |client: &Client, more: &str| -> BTreeSet<String> {
            let found = report(client, &from, &to, more).await.expect(200).json();
            images(&found).iter().map(|line| line["image_id"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(ids(&alice, "").await, [own.clone()].into());
        assert_eq!(ids(&bob, "&project=bob").await, [theirs.clone()].into());
        assert_eq!(ids(&admin, "").await, [own.clone(), theirs.clone()].into());
        assert_eq!(ids(&admin, "&project=bob").await, [theirs].into());
        report(&alice, &from, &to, "&project=bob").await.expect(403);
        let nobodys = app.as_role("carol", &["other"]);
        for path in [&*format!("report?from={from}&to={to}"), "now", &format!("image-hours?from={from}")] {
            app.as_nobody().get(&format!("/ext/v1/usage/{path}")).await.expect(401);
            nobodys.get(&format!("/ext/v1/usage/{path}")).await.expect_for(403, path);
            alice.get(&format!("/ext/v1/usage/{path}")).await.expect_for(200, path);
            // As everywhere: a token for the system is for no project.
            app.as_system().get(&format!("/ext/v1/usage/{path}")).await.expect_for(403, path);
        }
        for client in [&alice, &bob, &nobodys] {
            client.get("/ext/v1/usage/events").await.expect(403);
            client.get("/ext/v1/usage/rates").await.expect(403);
            client.put("/ext/v1/usage/rates").json(&json!({"currency": "EUR"})).await.expect(403);
        }
        let now = admin.get("/ext/v1/usage/now?limit=1").await.expect(200).json();
        assert_eq!(now["projects"], json!([{"project_id": "alice", "images": 1, "bytes": 10 * GIGA}]));
        let rest = admin.get(now["next"].as_str().unwrap()).await.expect(200).json();
        assert_eq!(rest, json!({"projects": [{"project_id": "bob", "images": 1, "bytes": 10 * GIGA}], "next": null}));
        let mine = alice.get("/ext/v1/usage/now").await.expect(200).json();
        assert_eq!(mine["projects"], now["projects"]);
        alice.remove(&own).await.expect(204);
        assert_eq!(alice.get("/ext/v1/usage/now").await.expect(200).json()["projects"], json!([]));
    }

    /// Lines by project, store, media group, tags and what images are sold as add up to one total, and are filtered; what
    /// changes in an hour counts for all of it; prices go by what is sold, the project, or the rest, each from its time on.
    async fn lines_add_up_by_whatever_they_are_grouped(database: Database) {
        let app = app(database);
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        turn_to(&app, 10);
        let start = hour(&app, 0);
        active(&alice, image().with("media_group", "Linux").tags(&["a", "b"])).await;
        active(&alice, image().with("media_group", "Windows").with("license_sku", "gold").tags(&["b"])).await;
        let moved = active(&app.as_member("bob"), image()).await;
        turn_to(&app, 20);
        let middle = hour(&app, 0);
        let relabel = json!([{"op": "add", "path": "/media_group", "value": "Linux"}]);
        app.as_member("bob").update(&moved, relabel).await.expect(200);
        turn_to(&app, 1);
        let end = hour(&app, 0);
        for (rates, from) in [
            (json!({"currency": "EUR", "default": "73", "skus": {"gold": "730"}, "valid_from": start}), &start),
            (json!({"currency": "EUR", "default": "146", "projects": {"bob": "0"}, "valid_from": middle}), &middle),
        ] {
            let set = admin.put("/ext/v1/usage/rates").json(&rates).await.expect(200).json();
            assert_eq!(set["rates"]["valid_from"], **from);
        }
        let versions = admin.get("/ext/v1/usage/rates").await.expect(200).json();
        assert_eq!(versions["rates"].as_array().unwrap().len(), 2);
        admin.put("/ext/v1/usage/rates").json(&json!({"currency": "USD"})).await.expect(409);
        let by = async |group: &str, name: &str| -> BTreeMap<String, (i64, String)> {
            let found = report(&admin, &start, &end, &format!("&group={group}")).await.expect(200).json();
            let total = &found["sections"]["images"]["total"];
            assert_eq!(total["byte_seconds"], (6 * 3600 * 10 * GIGA).to_string(), "{group}");
            // 1 GB-hour costs 0.1, 0.1 and 1 in the first hour, and 0.2, 0.2 and nothing in the second.
            assert_eq!(total["amount"], "16.0000", "{group}");
            let mut sums = BTreeMap::new();
            for line in images(&found) {
                let sum: &mut (i64, String) = sums.entry(line[name].to_string()).or_default();
                sum.0 += line["hours"].as_i64().unwrap();
                sum.1 += &format!("{} ", line["amount"].as_str().unwrap());
            }
            sums
        };
        let is = |text: &str, hours: i64, amounts: &str| (text.to_owned(), (hours, amounts.to_owned()));
        let expected = [is("\"alice\"", 4, "1.0000 4.0000 10.0000 "), is("\"bob\"", 2, "0.0000 1.0000 ")];
        assert_eq!(by("project", "project_id").await, expected.into());
        let groups = by("media_group", "media_group").await;
        assert_eq!(groups.iter().map(|(key, (hours, _))| (key.as_str(), *hours)).collect::<Vec<_>>(), [("\"Linux\"", 3), ("\"Windows\"", 2), ("null", 1)]);
        let tags = by("tag", "tags").await;
        assert_eq!(tags.iter().map(|(key, (hours, _))| (key.as_str(), *hours)).collect::<Vec<_>>(), [("[\"a\",\"b\"]", 2), ("[\"b\"]", 2), ("[]", 2)]);
        let skus = by("sku", "sku").await;
        assert_eq!(skus["\"gold\""].0, 2);
        let stores = by("store", "store").await;
        assert_eq!(stores.len(), 1, "{stores:?}");
        for (filter, hours) in [("tag=b", 4), ("tag=a", 2), ("media_group=Linux", 3), ("sku=gold", 2), ("store=none", 0), (&*format!("image={moved}"), 2)] {
            let found = report(&admin, &start, &end, &format!("&{filter}")).await.expect(200).json();
            assert_eq!(found["sections"]["images"]["total"]["hours"], hours, "{filter}");
        }
    }

    /// A consumer of an image that is sold is charged by the hour, for as long as it is there.
    async fn consumers_of_what_is_sold_are_charged(database: Database) {
        let app = app(database);
        let (alice, admin, service) = (app.as_member("alice"), app.as_admin(), app.as_service());
        turn_to(&app, 10);
        let start = hour(&app, 0);
        let rates = json!({"currency": "EUR", "licenses": {"gold": "0.25"}});
        admin.put("/ext/v1/usage/rates").json(&rates).await.expect(200);
        let id = active(&alice, image().community().with("license_sku", "gold")).await;
        let free = active(&alice, image().community()).await;
        let path = |image: &str, server: &str| format!("/ext/v1/images/{image}/consumers/server/{server}");
        for (image, server) in [(&id, "one"), (&id, "two"), (&free, "three")] {
            service.put(&path(image, server)).json(&json!({"project_id": "bob"})).await.expect(201);
        }
        turn_to(&app, 10);
        service.delete(&path(&id, "one")).await.expect(204);
        turn_to(&app, 10);
        alice.remove(&id).await.expect(204);
        turn_to(&app, 10);
        let found = report(&app.as_reader("bob"), &start, &hour(&app, 0), "").await.expect(200).json();
        let licenses = &found["sections"]["licenses"];
        assert_eq!(licenses["total"], json!({"hours": 5, "amount": "1.2500"}));
        let line = &licenses["lines"][0];
        assert_eq!((&line["image_id"], &line["sku"], &line["rate"]), (&json!(id), &json!("gold"), &json!("0.2500")));
        assert_eq!(images(&found).len(), 0);
    }

    /// What images are charged follows from their events, whatever clients do with them over three months.
    async fn reports_agree_with_the_events(database: Database) {
        let app = database.app();
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        let first = hour(&app, 0);
        let mut random = 7_u64;
        let mut next = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        let mut alive: Vec<String> = Vec::new();
        for _ in 0..60 {
            app.later(i64::try_from(next(72 * 3600)).unwrap());
            let at = usize::try_from(next(100)).unwrap();
            match (next(4), alive.len()) {
                (0 | 1, _) | (_, 0) => {
                    let id = alice.created(image().raw()).await;
                    alice.upload(&id, bytes(1 + at * 37)).await.expect(204);
                    alive.push(id);
                }
                (2, count) => {
                    alice.put(&format!("/v2/images/{}/tags/t{at}", alive[at % count])).await.expect(204);
                }
                (_, count) => {
                    let id = alive.swap_remove(at % count);
                    alice.remove(&id).await.expect(204);
                }
            }
        }
        let server = app.app();
        let events = server.db.read("test.events", |conn| events::after(conn, 0, 1000)).await.unwrap();
        let now = server.db.clock.now();
        let mut open: BTreeMap<String, (i64, i64)> = BTreeMap::new();
        let mut expected: BTreeMap<String, i128> = BTreeMap::new();
        let mut charge = |id: &str, (from, size): (i64, i64), to: i64| {
            let hours = to.div_euclid(HOUR) - from.div_euclid(HOUR) + 1;
            expected.insert(id.to_owned(), i128::from(hours) * 3600 * i128::from(size));
        };
        for event in &events {
            if event.kind == "image.activate" {
                let changes: Value = serde_json::from_str(&event.changes).unwrap();
                open.insert(event.image_id.clone(), (event.created_at, changes["size"][1].as_i64().unwrap()));
            } else if event.kind == "image.delete" {
                let opened = open.remove(&event.image_id).unwrap();
                charge(&event.image_id, opened, event.created_at);
            }
        }
        open.iter().for_each(|(id, opened)| charge(id, *opened, now.0));
        let found = report(&admin, &first, &hour(&app, 1), "").await.expect(200).json();
        let mut charged: BTreeMap<String, i128> = BTreeMap::new();
        for line in images(&found) {
            let sum = line["byte_seconds"].as_str().unwrap().parse::<i128>().unwrap();
            *charged.entry(line["image_id"].as_str().unwrap().to_owned()).or_default() += sum;
        }
        assert_eq!(charged, expected);
        assert_eq!(found["sections"]["images"]["total"]["byte_seconds"], expected.values().sum::<i128>().to_string());
    }

}

/// What no report can be of is refused by name.
#[test]
fn wrong_questions_are_refused() {
    block_on(async {
        let app = Database::Sqlite.app();
        let admin = app.as_admin();
        let period = "from=2026-11-01&to=2026-12-01";
        for (path, why) in [
            ("report?to=2026-12-01".to_owned(), "from is needed"),
            ("report?from=2026-11-01".to_owned(), "to is needed"),
            ("report?from=x&to=y".to_owned(), "must be a time"),
            ("report?from=2026-11-01T00:30Z&to=2026-12-01".to_owned(), "whole hours"),
            ("report?from=2026-12-01&to=2026-12-01".to_owned(), "from must be before to"),
            (format!("report?{period}&group=colour"), "group must be"),
            (format!("report?{period}&format=pdf"), "format must be"),
            (format!("report?{period}&colour=red"), "no parameter"),
            (format!("report?{period}&tag=a&tag=b"), "twice"),
            (format!("report?{period}&tag="), "tag must have"),
            ("report?from=9999-01-01&to=9999-01-02".to_owned(), "must be a time"),
            ("now?marker=x".to_owned(), "marker"),
            ("events?since=-1".to_owned(), "since"),
            ("image-hours".to_owned(), "from is needed"),
            ("image-hours?from=2026-11-01T00:30Z".to_owned(), "whole hour"),
            ("image-hours?marker=x".to_owned(), "marker"),
            ("rates?limit=1".to_owned(), "no parameter"),
        ] {
            let error = admin.get(&format!("/ext/v1/usage/{path}")).await.expect_for(400, &path).json();
            let message = error["error"]["message"].as_str().unwrap();
            assert!(message.contains(why), "{path}: {message}");
        }
        let with = |name: &str, value: Value| {
            let mut rates = json!({"currency": "EUR"});
            rates[name] = value;
            rates
        };
        for (body, why) in [
            (json!({}), "currency"),
            (with("currency", json!("euro")), "currency"),
            (with("default", json!(0.05)), "a rate is a text"),
            (with("default", json!("-1")), "is no rate"),
            (with("skus", json!([])), "must be an object"),
            (with("projects", json!({"": "1"})), "a name has"),
            (with("colour", json!("red")), "no member"),
            (with("valid_from", json!("2026-11-01T00:30Z")), "whole hour"),
            (with("valid_from", json!(3)), "must be a text"),
        ] {
            let error = admin.put("/ext/v1/usage/rates").json(&body).await.expect_for(400, &body).json();
            let message = error["error"]["message"].as_str().unwrap();
            assert!(message.contains(why), "{body}: {message}");
        }
    });
}
