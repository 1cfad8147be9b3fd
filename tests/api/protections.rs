//! Property protections: which custom property whom may create, read, change and remove.

use serde_json::{Value, json};
use vitrine::access::protection::{Protections, RuleFormat};

use crate::support::*;

/// A section of the file: who may create, read, update and delete.
fn section(name: &str, who: [&str; 4]) -> String {
    let [create, read, update, delete] = who;
    format!("[{name}]\ncreate = {create}\nread = {read}\nupdate = {update}\ndelete = {delete}\n")
}

fn patch(op: &str, name: &str, value: &str) -> Value {
    match op {
        "remove" => json!([{"op": op, "path": format!("/{name}")}]),
        _ => json!([{"op": op, "path": format!("/{name}"), "value": value}]),
    }
}

/// The properties of these tests that a caller sees of an image, as `name=value`.
async fn seen(client: &Client, id: &str) -> Vec<String> {
    let shown = client.show(id).await.expect(200).json();
    let names = ["fixed", "secret", "team", "other"];
    names.iter().filter_map(|n| shown.get(n).map(|v| format!("{n}={}", v.as_str().unwrap()))).collect()
}

/// What holds for both formats: `secret` is for admins, `team` for members, `fixed` for all to see and nobody to
/// change, and what no section names for nobody.
async fn holds(app: &TestApp) {
    let (admin, member, reader) = (app.as_admin(), app.as_member("alice"), app.as_reader("alice"));
    member.create(image().with("secret", "x")).await.expect(403);
    member.create(image().with("other", "x")).await.expect(403);
    member.create(image().with("team", "x")).await.expect(201);
    admin.create(image().with("other", "x")).await.expect(403);
    let new = image().with("owner", "alice").with("secret", "s").with("team", "t").with("fixed", "f");
    let id = admin.created(new).await;
    assert_eq!(seen(&admin, &id).await, ["fixed=f", "secret=s", "team=t"]);
    assert_eq!(seen(&member, &id).await, ["fixed=f", "team=t"]);
    assert_eq!(seen(&reader, &id).await, ["fixed=f"]);
    let listed = member.list("").await.expect(200).json();
    assert!(listed["images"].as_array().unwrap().iter().all(|image| image.get("secret").is_none()));
    for (op, name, statuses) in [
        ("add", "secret", &[403][..]),
        ("replace", "secret", &[403, 404, 409]),
        ("remove", "secret", &[403, 404, 409]),
        ("add", "other", &[403]),
        ("replace", "fixed", &[403]),
        ("remove", "fixed", &[403]),
        ("replace", "team", &[200]),
        ("remove", "team", &[200]),
        ("add", "team", &[200]),
    ] {
        let answer = member.update(&id, patch(op, name, "new")).await;
        assert!(statuses.contains(&answer.status), "{op} {name}: {answer:?}");
    }
    // Saving keeps what the one who saves may not read, and a refused operation takes the others along.
    member.update(&id, patch("replace", "name", "new")).await.expect(200);
    member.put(&format!("/v2/images/{id}/tags/t")).await.expect(204);
    let both = json!([
        {"op": "replace", "path": "/team", "value": "lost"},
        {"op": "replace", "path": "/fixed", "value": "lost"},
    ]);
    member.update(&id, both).await.expect(403);
    assert_eq!(seen(&admin, &id).await, ["fixed=f", "secret=s", "team=new"]);
    admin.update(&id, patch("replace", "secret", "new")).await.expect(200);
    admin.update(&id, patch("remove", "secret", "")).await.expect(200);
    admin.update(&id, patch("replace", "fixed", "new")).await.expect(403);
    assert_eq!(seen(&admin, &id).await, ["fixed=f", "team=new"]);
}

on_each_database! {
    /// Sections that list roles.
    async fn by_roles(database: Database) {
        let text = [
            section("^secret$", ["admin"; 4]),
            section("^team$", ["admin, Member"; 4]),
            section("^fixed$", ["admin", "@", "!", "!"]),
        ];
        let app = database.app_with(|options| {
            options.protections = Some(Protections::parse(&text.concat(), RuleFormat::Roles).unwrap());
        });
        holds(&app).await;
    }

    /// A property that a caller may not read cannot be found by filtering either: it is as if no image had it. The first
    /// section that fits decides, whatever a later one says.
    async fn sec_7_what_may_not_be_read_cannot_be_filtered_by(database: Database) {
        let text = [
            section("^secret", ["admin", "admin", "admin", "admin"]),
            section("^secret_open$", ["@"; 4]),
            section(".*", ["@"; 4]),
        ];
        let app = database.app_with(|options| {
            options.protections = Some(Protections::parse(&text.concat(), RuleFormat::Roles).unwrap());
        });
        let (admin, member) = (app.as_admin(), app.as_member("alice"));
        let new = image().with("owner", "alice").with("secret", "s").with("secret_open", "s").with("open", "o");
        let id = admin.created(new).await;
        for (query, member_finds, admin_finds) in [
            ("open=o", true, true),
            ("secret=s", false, true),
            ("secret_open=s", false, true),
            ("open=o&secret=s", false, true),
            ("secret=other", false, false),
            ("SECRET=s", false, false),
            ("secret%20=s", false, false),
        ] {
            for (client, finds) in [(&member, member_finds), (&admin, admin_finds)] {
                let listed = client.list(&format!("owner=alice&{query}")).await.expect(200).json();
                let found = listed["images"].as_array().unwrap().iter().any(|image| image["id"] == *id);
                assert_eq!(found, finds, "{query}: {listed}");
            }
        }
        for key in ["secret", "open"] {
            member.list(&format!("sort={key}")).await.expect(400);
        }
    }

    /// Sections that name rules of the policy.
    async fn by_policies(database: Database) {
        let folder = scratch_folder();
        let file = folder.path().join("policy.yaml");
        std::fs::write(&file, "team_rule: role:member or role:admin\n").unwrap();
        let text = [
            section("^secret$", ["context_is_admin"; 4]),
            section("^team$", ["team_rule"; 4]),
            section("^fixed$", ["context_is_admin", "@", "!", "!"]),
        ];
        let app = database.app_with(|options| {
            options.policy.policy_file = file.clone();
            options.protections = Some(Protections::parse(&text.concat(), RuleFormat::Policies).unwrap());
        });
        holds(&app).await;
    }
}
