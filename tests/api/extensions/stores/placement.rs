//! The rules that say into which store an image goes.

use super::{storages::*, *};

const RULES: &str = "/ext/v1/placement-rules";

/// Makes a rule and returns its id.
async fn ruled(admin: &Client, body: Value) -> String {
    let made = admin.post(RULES).json(&body).await.expect_for(201, &body).json();
    made["placement_rule"]["id"].as_str().unwrap().to_owned()
}

fn patch(client: &Client, id: &str, body: &Value) -> Request {
    client.request("PATCH", &format!("{RULES}/{id}")).json(body)
}

/// The stores of the rules, in their order.
async fn order(admin: &Client) -> Vec<(i64, String)> {
    let listed = admin.get(RULES).await.expect(200).json();
    let rules = listed["placement_rules"].as_array().unwrap();
    rules
        .iter()
        .map(|rule| (rule["position"].as_i64().unwrap(), rule["store"].as_str().unwrap().to_owned()))
        .collect()
}

/// Where an image would go, and why.
async fn tried(admin: &Client, body: Value) -> (Value, Value, Value) {
    let answer = admin.post(&format!("{RULES}/try")).json(&body).await.expect_for(200, &body).json();
    (answer["store"].clone(), answer["because"].clone(), answer["rule_id"].clone())
}

/// The store of an uploaded image.
async fn uploaded(client: &Client, image: NewImage) -> Value {
    let id = client.created(image).await;
    client.upload(&id, "data").await.expect(204);
    client.show(&id).await.json()["stores"].clone()
}

on_each_database! {
    /// Rules are made, shown in their order, changed and removed by those who look after stores.
    async fn rules_are_made_and_ordered(database: Database) {
        let app = app_with_storages(database);
        let admin = app.as_admin();
        for client in [app.as_member("alice"), app.as_service()] {
            client.get(RULES).await.expect(403);
            client.post(RULES).json(&json!({"store": "slow"})).await.expect(403);
            client.post(&format!("{RULES}/try")).json(&json!({"image": {}})).await.expect(403);
        }
        let first = ruled(&admin, json!({"when": {"disk_format": "iso"}, "store": "slow", "description": "discs"})).await;
        let second = ruled(&admin, json!({"store": "near"})).await;
        ruled(&admin, json!({"store": "fast", "position": 5})).await;
        let expected = |list: &[(i64, &str)]| list.iter().map(|(at, id)| (*at, (*id).to_owned())).collect::<Vec<_>>();
        assert_eq!(order(&admin).await, expected(&[(0, "slow"), (5, "fast"), (10, "near")]));
        let shown = admin.get(&format!("{RULES}/{first}")).await.expect(200).json()["placement_rule"].clone();
        assert_eq!((&shown["when"], &shown["description"]), (&json!({"disk_format": ["iso"]}), &json!("discs")));
        let changed = patch(&admin, &second, &json!({"position": 0})).await.expect(200).json();
        assert_eq!(changed["placement_rule"]["when"], json!({}));
        assert_eq!(order(&admin).await, expected(&[(0, "slow"), (0, "near"), (5, "fast")]));
        for body in [
            json!({"store": "none"}), json!({"store": "web"}), json!({"when": {"colour": "red"}}), json!({"name": 1}),
            json!({"position": -1}),
        ] {
            patch(&admin, &first, &body).await.expect_for(400, &body);
            admin.post(RULES).json(&body).await.expect_for(400, &body);
        }
        for body in [json!({}), json!({"image": {}, "image_id": first}), json!({"image": {"size": "1"}}), json!([])] {
            admin.post(&format!("{RULES}/try")).json(&body).await.expect_for(400, &body);
        }
        admin.post(&format!("{RULES}/try")).json(&json!({"image_id": first})).await.expect(404);
        for id in ["none", &first] {
            app.as_member("alice").delete(&format!("{RULES}/{id}")).await.expect(403);
        }
        admin.delete(&format!("{RULES}/{first}")).await.expect(204);
        for call in ["GET", "DELETE"] {
            admin.request(call, &format!("{RULES}/{first}")).await.expect(404);
        }
        patch(&admin, &first, &json!({})).await.expect(404);
        assert_eq!(order(&admin).await, expected(&[(0, "near"), (5, "fast")]));
        let single = database.app();
        single.as_admin().post(RULES).json(&json!({"store": "file"})).await.expect(409);
        single.as_admin().post(&format!("{RULES}/try")).json(&json!({"image": {}})).await.expect(409);
    }

    /// The first rule that an image meets says where its data goes, by an upload and by an import; a store that the client
    /// names comes before all rules, and a trial says which rule it would be.
    async fn rules_place_images(database: Database) {
        let app = app_with_storages(database);
        let (admin, alice) = (app.as_admin(), app.as_member("alice"));
        added(&app, "nfs1", json!({})).await;
        let snapshots = ruled(&admin, json!({"when": {"image_type": "snapshot", "project": "alice"}, "store": "nfs1"})).await;
        ruled(&admin, json!({"when": {"disk_format": ["iso", "raw"], "visibility": "private"}, "store": "slow"})).await;
        let snapshot = || image().raw().with("image_type", "snapshot");
        assert_eq!(uploaded(&alice, snapshot()).await, "nfs1");
        assert_eq!(uploaded(&app.as_member("bob"), snapshot()).await, "fast");
        assert_eq!(uploaded(&alice, image().raw().with("visibility", "private")).await, "slow");
        assert_eq!(uploaded(&alice, image().raw()).await, "fast");
        let named = alice.created(snapshot()).await;
        alice.upload(&named, "data").header("x-image-meta-store", "near").await.expect(204);
        assert_eq!(alice.show(&named).await.json()["stores"], "near");

        let staged = alice.created(snapshot()).await;
        let stage = alice.put(&format!("/v2/images/{staged}/stage")).header("content-type", OCTETS);
        stage.body("data").await.expect(204);
        let import = json!({"method": {"name": "glance-direct"}});
        alice.post(&format!("/v2/images/{staged}/import")).json(&import).await.expect(202);
        assert_eq!(alice.becomes(&staged, "active").await["stores"], "nfs1");
        let chosen = alice.created(snapshot()).await;
        let source = WebSource::start();
        let import = json!({"method": {"name": "web-download", "uri": source.url("a")}, "stores": ["slow"]});
        alice.post(&format!("/v2/images/{chosen}/import")).json(&import).await.expect(202);
        assert_eq!(alice.becomes(&chosen, "active").await["stores"], "slow");

        let by = |store: &str, why: &str, rule: Value| (json!(store), json!(why), rule);
        assert_eq!(tried(&admin, json!({"image_id": staged})).await, by("nfs1", "rule", json!(snapshots)));
        let other = json!({"image": {"image_type": "snapshot", "project": "bob"}});
        assert_eq!(tried(&admin, other).await, by("fast", "default", Value::Null));
        let told = json!({"image": {"image_type": "snapshot", "project": "alice", "disk_format": "raw"}});
        admin.request("PATCH", "/ext/v1/stores/nfs1").json(&json!({"read_only": true})).await.expect(200);
        let answer = admin.post(&format!("{RULES}/try")).json(&told).await.expect(200).json();
        assert_eq!(answer["rules"][0], json!({"rule_id": snapshots, "store": "nfs1", "outcome": "the store takes no data"}));
        assert_eq!((&answer["store"], &answer["image"]["project"]), (&json!("fast"), &json!("alice")));
        assert_eq!(uploaded(&alice, snapshot()).await, "fast");
        let refused = admin.delete("/ext/v1/stores/nfs1").await.expect(409).json();
        assert_eq!(refused["error"]["details"]["placement_rules"], 1);
    }

    /// A storage that is bound to hosts or zones takes the images that come from there, and no others, unless the client names
    /// it.
    async fn storages_are_bound_to_hosts_and_zones(database: Database) {
        let app = app_with_storages(database);
        let (admin, alice) = (app.as_admin(), app.as_member("alice"));
        added(&app, "rack1", json!({"hosts": ["hv1", "hv2"]})).await;
        added(&app, "hall2", json!({"zones": ["hall-2"], "weight": 5})).await;
        let from = |name: &str, value: &str| image().raw().with(name, value);
        assert_eq!(uploaded(&alice, from("source_host", "hv1")).await, "rack1");
        assert_eq!(uploaded(&alice, from("source_host", "hv3")).await, "fast");
        assert_eq!(uploaded(&alice, from("source_zone", "hall-2")).await, "hall2");
        assert_eq!(uploaded(&alice, from("source_host", "hv1").with("source_zone", "hall-2")).await, "hall2");
        ruled(&admin, json!({"when": {"disk_format": "raw"}, "store": "rack1"})).await;
        assert_eq!(uploaded(&alice, image().raw()).await, "fast");
        assert_eq!(uploaded(&alice, from("source_host", "hv2").with("source_zone", "hall-2")).await, "rack1");
        let named = alice.created(image().raw()).await;
        alice.upload(&named, "data").header("x-image-meta-store", "rack1").await.expect(204);
        let bound = json!({"hosts": ["hv9"], "zones": []});
        let changed = admin.request("PATCH", "/ext/v1/stores/rack1").json(&bound).await.expect(200).json();
        assert_eq!(changed["store"]["hosts"], json!(["hv9"]));
        assert_eq!(uploaded(&alice, from("source_host", "hv1")).await, "fast");
        let tried = tried(&admin, json!({"image": {"source_host": "hv9"}})).await;
        assert_eq!(tried, (json!("rack1"), json!("binding"), Value::Null));
    }
}
