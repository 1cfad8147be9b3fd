//! How much one request may ask for, and how much one image may hold.

use serde_json::{Value, json};

use crate::support::*;

fn additions(count: usize) -> Value {
    let one = |n: usize| json!({"op": "add", "path": format!("/p{n}"), "value": n.to_string()});
    Value::Array((0..count).map(one).collect())
}

on_each_database! {
    /// As many operations as the operator allows are applied, in order; one more is refused before any is looked at.
    async fn sec_21_operations_of_a_patch_are_bounded(database: Database) {
        let app = database.app_with(|options| options.image.image_property_quota = -1);
        let alice = app.as_member("alice");
        let id = alice.created(image()).await;
        let mut patch = additions(1024);
        let shown = alice.update(&id, patch.clone()).await.expect(200).json();
        let names: Vec<String> = (0..1024).map(|n| format!("p{n}")).collect();
        assert_eq!(keys(&shown)[..1024], names);
        // Refused for its length, although its first operation is forbidden.
        patch[0] = json!({"op": "replace", "path": "/status", "value": "active"});
        alice.update(&id, patch.clone()).await.expect(403);
        patch.as_array_mut().unwrap().push(json!({}));
        let refused = alice.update(&id, patch).await.expect(413);
        assert!(refused.text().contains("1025 operations; at most 1024"), "{refused:?}");
        let app = database.app_with(|options| options.image.bounds.patch_operations = 2);
        let alice = app.as_member("alice");
        let id = alice.created(image()).await;
        alice.update(&id, additions(2)).await.expect(200);
        alice.update(&id, additions(3)).await.expect(413);
    }

    /// A body has a length and a number of values, whatever it is for; where it is kept as it is, it is short.
    async fn sec_21_bodies_are_bounded(database: Database) {
        let app = database.app_with(|options| options.image.image_tag_quota = -1);
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        let id = alice.created(image()).await;
        let long = "x".repeat(4 << 20);
        let image_of = |value: Value| json!({"name": value});
        alice.post("/v2/images").json(&image_of(json!(long))).await.expect(413);
        alice.post("/v2/images").json(&json!({"tags": vec!["t"; 1 << 16]})).await.expect(413);
        // Commas and brackets inside texts are not counted, nor does an escaped quotation mark end a text.
        let harmless = format!("\\\"{}", ",[{".repeat(1 << 14));
        let body = format!("{{\"p\": \"{harmless}\"}}");
        alice.post("/v2/images").header("content-type", "application/json").body(body).await.expect(201);
        let long = "x".repeat(64 << 10);
        alice.post(&format!("/v2/images/{id}/members")).json(&json!({"member": long})).await.expect(413);
        alice.post(&format!("/v2/images/{id}/import")).json(&json!({"method": long})).await.expect(413);
        alice.post(&format!("/v2/images/{id}/locations")).json(&json!({"url": long})).await.expect(413);
        admin.post("/v2/tasks").json(&json!({"type": "import", "input": {"x": long}})).await.expect(413);
    }

    /// A namespace takes many parts in one request, but not any number.
    async fn sec_21_parts_of_a_namespace_are_bounded(database: Database) {
        let app = database.app();
        let admin = app.as_admin();
        let tags = |count: usize| {
            let one = |n: usize| json!({"name": format!("t{n}")});
            json!({"namespace": "N", "tags": (0..count).map(one).collect::<Vec<_>>()})
        };
        let all = "/v2/metadefs/namespaces";
        admin.post(all).json(&tags(1025)).await.expect(413);
        admin.post(all).json(&tags(1)).await.expect(201);
        let many = format!("{all}/N/tags");
        let only = |count| json!({"tags": tags(count)["tags"]});
        admin.post(&many).json(&only(1025)).await.expect(413);
        admin.post(&many).json(&only(1024)).await.expect(201);
        let names: Vec<String> = (0..1025).map(|n| format!("p{n}")).collect();
        let object = json!({"name": "o", "required": names});
        admin.post(&format!("{all}/N/objects")).json(&object).await.expect(413);
        assert_eq!(admin.get(&many).await.expect(200).json()["tags"].as_array().unwrap().len(), 1024);
    }

    /// Up to 64 conditions are answered as one is; the 65th is refused.
    async fn conditions_of_a_list_are_bounded(database: Database) {
        let app = database.app_with(|options| options.image.image_tag_quota = -1);
        let alice = app.as_member("alice");
        let names: Vec<String> = (0..65).map(|n| format!("t{n}")).collect();
        let tags: Vec<&str> = names.iter().map(String::as_str).collect();
        alice.created(image().named("most").tags(&tags[..63])).await;
        alice.created(image().named("all").tags(&tags)).await;
        let query = |from: usize, to: usize| names[from..to].iter().map(|n| format!("tag={n}&")).collect::<String>();
        for (query, found) in [(query(0, 64), vec!["all"]), (query(0, 63), vec!["all", "most"])] {
            let list = alice.list(&query).await.expect(200).json();
            let list: Vec<_> = list["images"].as_array().unwrap().iter().map(|i| i["name"].clone()).collect();
            assert_eq!(list, found, "{query}");
        }
        alice.list(&query(0, 65)).await.expect(400);
        let mut patch = additions(64);
        let id = alice.created(image().named("properties")).await;
        alice.update(&id, patch.clone()).await.expect(200);
        patch.as_array_mut().unwrap().truncate(63);
        let other = alice.created(image().named("fewer")).await;
        alice.update(&other, patch).await.expect(200);
        let all: String = (0..64).map(|n| format!("p{n}={n}&")).collect();
        let list = alice.list(&all).await.expect(200).json();
        assert_eq!(list["images"].as_array().unwrap().len(), 1);
        assert_eq!(list["images"][0]["id"], id.as_str());
        alice.list(&format!("{all}p64=x")).await.expect(400);
        let wrong = all.replace("p63=63", "p63=64");
        assert_eq!(alice.list(&wrong).await.expect(200).json()["images"], json!([]));
        let values = |count: usize| format!("name=in:{}", vec!["all"; count].join(","));
        assert_eq!(alice.list(&values(100)).await.expect(200).json()["images"].as_array().unwrap().len(), 1);
        alice.list(&values(101)).await.expect(400);
    }

    /// A value has a bound, and so have all of an image together, on every way by which they come.
    async fn sec_21_properties_are_bounded(database: Database) {
        let app = database.app_with(|options| options.image.bounds.record_bytes = 200_000);
        let alice = app.as_member("alice");
        let value = |bytes: usize| "v".repeat(bytes);
        alice.create(image().with("p", value(65_536))).await.expect(400);
        let id = alice.created(image().with("p", value(65_535)).with("q", value(65_535))).await;
        let put = |name: &str, bytes: usize| json!([{"op": "add", "path": format!("/{name}"), "value": value(bytes)}]);
        alice.update(&id, put("r", 65_536)).await.expect(400);
        alice.update(&id, put("r", 65_535)).await.expect(200);
        alice.update(&id, put("s", 65_535)).await.expect(413);
        let tags: Vec<String> = (0..128).map(|n| format!("{n:0>255}")).collect();
        alice.update(&id, json!([{"op": "replace", "path": "/tags", "value": tags}])).await.expect(413);
        let whole = ["p", "q", "r", "s"].iter().fold(image(), |image, name| image.with(name, value(60_000)));
        alice.create(whole).await.expect(413);
        assert_eq!(alice.show(&id).await.expect(200).json()["s"], Value::Null);
        // A record that is too large already may shrink, but not grow.
        let mut old = record("alice", 1);
        for name in ["p", "q", "r", "s"] {
            old.set_property(name, Some(value(60_000)));
        }
        app.insert(std::slice::from_ref(&old)).await;
        alice.update(&old.id, put("t", 1)).await.expect(413);
        alice.put(&format!("/v2/images/{}/tags/more", old.id)).await.expect(413);
        alice.update(&old.id, put("p", 59_999)).await.expect(200);
    }

    /// A page that has enough bytes ends, and its link leads to the rest; one image is always on it.
    async fn pages_are_bounded_in_bytes(database: Database) {
        let app = database.app_with(|options| options.image.bounds.page_bytes = 10_000);
        let alice = app.as_member("alice");
        let images: Vec<_> = (0..40)
            .map(|n| {
                let mut image = record("alice", n);
                let bytes = match n {
                    39 => 20_000,
                    5.. => 1_000,
                    _ => 1,
                };
                image.set_property("p", Some("v".repeat(bytes)));
                image
            })
            .collect();
        app.insert(&images).await;
        let (mut next, mut pages, mut seen) = ("/v2/images?limit=100".to_owned(), Vec::new(), Vec::new());
        loop {
            let page = alice.get(&next).await.expect(200).json();
            let list = page["images"].as_array().unwrap();
            pages.push(list.len());
            seen.extend(list.iter().map(|image| image["id"].as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                Some(link) => next = link.to_owned(),
                None => break,
            }
        }
        assert_eq!(pages, [1, 9, 9, 9, 12]);
        let newest_first: Vec<_> = images.iter().rev().map(|image| image.id.clone()).collect();
        assert_eq!(seen, newest_first);
    }
}
