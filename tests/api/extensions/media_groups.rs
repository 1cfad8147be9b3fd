//! Media groups (section g).

use serde_json::{Value, json};

use crate::support::*;

const GROUPS: &str = "/ext/v1/media-groups";

async fn made(admin: &Client, body: Value) {
    admin.post(GROUPS).json(&body).await.expect_for(201, body);
}

fn patched(admin: &Client, path: &str, body: &Value) -> Request {
    admin.request("PATCH", path).json(body)
}

async fn names(client: &Client, query: &str) -> Vec<String> {
    let listed = client.get(&format!("{GROUPS}{query}")).await.expect(200).json();
    let groups = listed["media_groups"].as_array().unwrap();
    groups.iter().map(|group| group["name"].as_str().unwrap().to_owned()).collect()
}

/// The ids on a list of images.
async fn ids(client: &Client, query: &str) -> Vec<String> {
    let listed = client.get(&format!("/v2/images{query}")).await.expect(200).json();
    listed["images"].as_array().unwrap().iter().map(|i| i["id"].as_str().unwrap().to_owned()).collect()
}

async fn group_of(client: &Client, id: &str) -> Value {
    client.get(&format!("/v2/images/{id}")).await.expect(200).json()["media_group"].clone()
}

fn grouped(name: &str) -> NewImage {
    image().raw().with("media_group", name)
}

on_each_database! {
    /// Groups are made, shown in their order, changed and deleted by administrators; names differ in more than capitals, and
    /// dashboards find them in a namespace of the catalogue as long as there are any.
    async fn groups_are_made_and_found(database: Database) {
        let app = database.app();
        let (admin, alice) = (app.as_admin(), app.as_member("alice"));
        alice.post(GROUPS).json(&json!({"name": "Linux"})).await.expect(403);
        let created = admin.post(GROUPS).json(&json!({"name": "Other things", "order": 5})).await.expect(201);
        assert!(created.header("location").ends_with("/ext/v1/media-groups/Other%20things"));
        made(&admin, json!({"name": "Linux", "label": "For penguins", "description": "d", "icon": "tux"})).await;
        made(&admin, json!({"name": "BSD", "order": -1})).await;
        made(&admin, json!({"name": "Drivers", "visible": false})).await;
        assert_eq!(names(&alice, "").await, ["BSD", "Linux", "Other things"]);
        assert_eq!(names(&alice, "?visible=false").await, ["Drivers"]);
        assert_eq!(names(&admin, "").await, ["BSD", "Drivers", "Linux", "Other things"]);
        let first = alice.get(&format!("{GROUPS}?limit=2")).await.expect(200).json();
        let rest = alice.get(first["next"].as_str().unwrap()).await.expect(200).json();
        assert_eq!((&rest["media_groups"][0]["name"], &rest["next"]), (&json!("Other things"), &Value::Null));

        let shown = alice.get(&format!("{GROUPS}/Linux")).await.expect(200).json()["media_group"].clone();
        assert_eq!((&shown["label"], &shown["order"], &shown["icon"]), (&json!("For penguins"), &json!(0), &json!("tux")));
        for other in ["linux", "None"] {
            alice.get(&format!("{GROUPS}/{other}")).await.expect_for(404, other);
        }
        for body in [json!({"name": "LINUX"}), json!({"name": "Linux"})] {
            admin.post(GROUPS).json(&body).await.expect_for(409, body);
        }
        patched(&admin, &format!("{GROUPS}/BSD"), &json!({"name": "lInUx"})).await.expect(409);
        let property = async || -> Value {
            let path = "/v2/metadefs/namespaces/Images::MediaGroup/properties/media_group";
            alice.get(path).await.expect(200).json()["enum"].clone()
        };
        assert_eq!(property().await, json!(["BSD", "Drivers", "Linux", "Other things"]));
        patched(&alice, &format!("{GROUPS}/BSD"), &json!({"order": 7})).await.expect(403);
        patched(&admin, &format!("{GROUPS}/BSD"), &json!({"name": "bsd", "order": 9})).await.expect(200);
        admin.delete(&format!("{GROUPS}/Drivers")).await.expect(204);
        assert_eq!(property().await, json!(["Linux", "Other things", "bsd"]));
        for name in ["Linux", "Other%20things", "bsd"] {
            alice.delete(&format!("{GROUPS}/{name}")).await.expect(403);
            admin.delete(&format!("{GROUPS}/{name}")).await.expect(204);
        }
        admin.delete(&format!("{GROUPS}/Linux")).await.expect(404);
        alice.get("/v2/metadefs/namespaces/Images::MediaGroup").await.expect(404);
    }

    /// What a new name or a deletion would do can be asked for, and changes nothing.
    async fn changes_of_groups_are_rehearsed(database: Database) {
        let app = database.app();
        let (admin, alice) = (app.as_admin(), app.as_member("alice"));
        made(&admin, json!({"name": "Old"})).await;
        made(&admin, json!({"name": "Other"})).await;
        let id = alice.created(grouped("Old")).await;
        let place = format!("{GROUPS}/Old");
        let would = patched(&admin, &format!("{place}?dry_run=true"), &json!({"name": "New"})).await.expect(200).json();
        assert_eq!(would["media_group"]["name"], "New");
        let taken = patched(&admin, &format!("{place}?dry_run=true"), &json!({"name": "other"})).await;
        taken.expect(409);
        for (query, status) in [("", 409), ("&reassign=None", 404), ("&reassign=Old", 400), ("&limit=1", 400)] {
            admin.delete(&format!("{place}?dry_run=true{query}")).await.expect_for(status, query);
        }
        alice.delete(&format!("{place}?dry_run=true&clear=true")).await.expect(403);
        for more in ["reassign=Other", "clear=true"] {
            let would = admin.delete(&format!("{place}?dry_run=true&{more}")).await.expect_for(200, more).json();
            assert_eq!(would, json!({"dry_run": true, "images": 1}), "{more}");
        }
        assert_eq!(names(&admin, "").await, ["Old", "Other"]);
        assert_eq!(group_of(&alice, &id).await, "Old");
    }

    /// The images of a group that is not visible are in no list of those who are not administrators unless they ask for hidden
    /// ones; by their id they are there, and what is stored of them stays.
    async fn images_of_hidden_groups_are_hidden(database: Database) {
        let app = database.app();
        let (admin, alice, bob) = (app.as_admin(), app.as_member("alice"), app.as_member("bob"));
        made(&admin, json!({"name": "Drivers", "visible": false})).await;
        let driver = admin.created(grouped("Drivers").public()).await;
        let plain = admin.created(image().raw().public()).await;
        let hidden = admin.created(image().raw().public().with("os_hidden", true)).await;
        let own = alice.created(grouped("Drivers")).await;
        assert_eq!(ids(&alice, "").await, [plain.as_str()]);
        assert_eq!(ids(&alice, "?os_hidden=true").await, [own.clone(), hidden.clone(), driver.clone()]);
        assert_eq!(ids(&alice, "?os_hidden=true&sort=created_at:asc&limit=1").await, [driver.as_str()]);
        let next = format!("?os_hidden=true&sort=created_at:asc&marker={driver}");
        assert_eq!(ids(&alice, &next).await, [hidden.clone(), own.clone()]);
        assert_eq!(ids(&bob, "?os_hidden=true&media_group=Drivers").await, [driver.as_str()]);
        assert_eq!(ids(&bob, "?media_group=Drivers").await, [""; 0]);
        let shown = bob.get(&format!("/v2/images/{driver}")).await.expect(200).json();
        assert_eq!(shown["os_hidden"], false);
        assert_eq!(ids(&admin, "?visibility=public").await, [plain.clone(), driver.clone()]);
        assert_eq!(ids(&admin, "?os_hidden=true").await, [hidden.as_str()]);

        patched(&admin, &format!("{GROUPS}/Drivers"), &json!({"visible": true})).await.expect(200);
        assert_eq!(ids(&alice, "").await, [own, plain, driver]);
        assert_eq!(ids(&alice, "?os_hidden=true").await, [hidden]);
    }

    /// A new name is that of all images in the group from one moment on: who lists them meanwhile finds all under the old one
    /// or all under the new one.
    async fn a_group_is_renamed_at_once(database: Database) {
        let app = database.app();
        let (admin, alice) = (app.as_admin(), app.as_member("alice"));
        made(&admin, json!({"name": "Old"})).await;
        for _ in 0..40 {
            alice.created(grouped("Old")).await;
        }
        let other = alice.created(grouped("Other")).await;
        let (path, new) = (format!("{GROUPS}/Old"), json!({"name": "New"}));
        let is_over = std::cell::Cell::new(false);
        let renamed = async {
            patched(&admin, &path, &new).await.expect(200);
            is_over.set(true);
        };
        let watch = async {
            loop {
                let must_be_new = is_over.get();
                // In one statement, so that both are of one moment.
                let listed = alice.get("/v2/images?limit=100").await.expect(200).json();
                let images = listed["images"].as_array().unwrap();
                let count = |name: &str| images.iter().filter(|image| image["media_group"] == name).count();
                let (old, new) = (count("Old"), count("New"));
                assert!((old, new) == (40, 0) && !must_be_new || (old, new) == (0, 40), "{old} and {new}");
                if must_be_new {
                    return;
                }
            }
        };
        futures::future::join(renamed, watch).await;
        assert_eq!(group_of(&alice, &other).await, "Other");
        assert_eq!(names(&alice, "").await, ["New"]);
    }

    /// A group with images in it is deleted only when it is said what becomes of them.
    async fn images_outlive_their_group(database: Database) {
        let app = database.app();
        let (admin, alice) = (app.as_admin(), app.as_member("alice"));
        for name in ["A", "B"] {
            made(&admin, json!({"name": name})).await;
        }
        let id = alice.created(grouped("A")).await;
        let refused = admin.delete(&format!("{GROUPS}/A")).await.expect(409).json();
        assert_eq!(refused["error"]["reason"], "group-not-empty");
        for (query, status) in [("reassign=A", 400), ("reassign=C", 404), ("reassign=B&clear=true", 400), ("clear=1", 400), ("x=y", 400)] {
            admin.delete(&format!("{GROUPS}/A?{query}")).await.expect_for(status, query);
        }
        assert_eq!(group_of(&alice, &id).await, "A");
        admin.delete(&format!("{GROUPS}/A?reassign=B")).await.expect(204);
        assert_eq!(group_of(&alice, &id).await, "B");
        admin.delete(&format!("{GROUPS}/B?clear=true")).await.expect(204);
        assert_eq!(group_of(&alice, &id).await, Value::Null);
        assert_eq!(names(&admin, "").await, [""; 0]);
    }

    /// A form gets the visible groups with the active images that its user finds in them, in one call.
    async fn a_form_gets_groups_with_their_images(database: Database) {
        let app = database.app();
        let (admin, alice) = (app.as_admin(), app.as_member("alice"));
        for body in [json!({"name": "A"}), json!({"name": "B"}), json!({"name": "C", "visible": false})] {
            made(&admin, body).await;
        }
        let public = admin.created(grouped("A").public().with("os_distro", "debian")).await;
        admin.upload(&public, "data").await.expect(204);
        alice.created(grouped("A")).await;
        let others = app.as_member("bob").created(grouped("A")).await;
        app.as_member("bob").upload(&others, "data").await.expect(204);
        let tree = alice.get(&format!("{GROUPS}?with=images")).await.expect(200).json();
        let groups = tree["media_groups"].as_array().unwrap();
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[0]["images"].as_array().unwrap().len(), 1);
        assert_eq!((&groups[0]["images"][0]["id"], &groups[0]["images"][0]["os_distro"]), (&json!(public), &json!("debian")));
        assert_eq!((&groups[0]["images_next"], &groups[1]["images"]), (&Value::Null, &json!([])));
    }
}

/// Where groups are strict, images are put into none that there is not; those that were in one stay.
#[test]
fn strict_groups_are_known() {
    block_on(async {
        let app = Database::Sqlite.app_with(|options| options.image.media_groups_strict = true);
        let (admin, alice) = (app.as_admin(), app.as_member("alice"));
        alice.create(grouped("A")).await.expect(400);
        made(&admin, json!({"name": "A"})).await;
        let id = alice.created(grouped("A")).await;
        let set = |name: &str| json!([{"op": "replace", "path": "/media_group", "value": name}]);
        alice.update(&id, set("a")).await.expect(400);
        admin.delete(&format!("{GROUPS}/A?clear=true")).await.expect(204);
        let rename = json!([{"op": "replace", "path": "/name", "value": "x"}]);
        alice.update(&id, rename).await.expect(200);
    });
}

/// What no group can be called or have is refused, and so is asking for what is not there.
#[test]
fn groups_are_bounded() {
    block_on(async {
        let app = Database::Sqlite.app();
        let admin = app.as_admin();
        for bad in [
            json!([]),
            json!({}),
            json!({"name": ""}),
            json!({"name": 7}),
            json!({"name": "a/b"}),
            json!({"name": "a".repeat(65)}),
            json!({"name": "a", "order": 1.5}),
            json!({"name": "a", "order": 4_294_967_296_i64}),
            json!({"name": "a", "visible": "yes"}),
            json!({"name": "a", "description": "x".repeat(2049)}),
            json!({"name": "a", "colour": "red"}),
        ] {
            admin.post(GROUPS).json(&bad).await.expect_for(400, bad);
        }
        for query in ["?with=love", "?visible=yes", "?colour=red", "?marker=/", "?limit=0"] {
            admin.get(&format!("{GROUPS}{query}")).await.expect_for(400, query);
        }
        admin.get(&format!("{GROUPS}?marker=none")).await.expect(404);
        patched(&admin, &format!("{GROUPS}/none"), &json!({"order": 1})).await.expect(404);
        for number in 0..500 {
            made(&admin, json!({"name": format!("g{number}")})).await;
        }
        admin.post(GROUPS).json(&json!({"name": "one-more"})).await.expect(413);
    });
}
