//! `GET /v2/images`

use serde_json::{Value, json};
use vitrine::model::{
    image::Image, member::MemberStatus, properties::Property, status::Status, visibility::Visibility,
};

use crate::support::*;

/// Names of the listed images, in order.
async fn names(client: &Client, query: &str) -> Vec<String> {
    let body = client.list(query).await.expect_for(200, query).json();
    let images = body["images"].as_array().unwrap();
    images.iter().map(|image| image["name"].as_str().unwrap_or_default().to_owned()).collect()
}

async fn sorted_names(client: &Client, query: &str) -> Vec<String> {
    let mut names = names(client, query).await;
    names.sort();
    names
}

fn named(name: &str, owner: &str, age: i64) -> Image {
    Image { name: Some(name.to_owned()), ..record(owner, age) }
}

/// Images `a` to `e` of alice, each different, created a minute apart.
async fn five_images(app: &TestApp) -> Vec<Image> {
    let mut images: Vec<Image> =
        ["a", "b", "c", "d", "e"].iter().zip(0..).map(|(name, n)| named(name, "alice", n * 60)).collect();
    let property =
        |name: &str, value: &str| Property { name: name.to_owned(), value: Some(value.to_owned()) };
    images[0].size = Some(100);
    images[0].min_disk = 10;
    images[0].tags = vec!["x".to_owned(), "y".to_owned()];
    images[0].properties = vec![property("os_distro", "debian"), property("arch", "arm")].into();
    images[1].size = Some(200);
    images[1].virtual_size = Some(5000);
    images[1].tags = vec!["x".to_owned()];
    images[1].properties = vec![property("os_distro", "debian"), property("members", "many")].into();
    images[2].disk_format = Some("qcow2".to_owned());
    images[2].checksum = Some("abc".to_owned());
    images[2].status = Status::Queued;
    images[3].name = Some("d:e,\"f\"".to_owned());
    images[3].container_format = None;
    images[3].os_hash_value = Some("def".to_owned());
    images[3].min_ram = 7;
    images[4].protected = true;
    images[4].visibility = Visibility::Community;
    images[4].updated_at = images[4].created_at.plus_seconds(3600);
    app.insert(&images).await;
    images
}

/// Filters by time, and the images that they find.
const TIMES: [(&str, &str); 9] = [
    ("created_at=2020-01-01T00:01:00Z", "b"),
    ("created_at=eq:2020-01-01T00:01:00Z", "b"),
    ("created_at=neq:2020-01-01T00:01:00Z", "acde"),
    ("created_at=gt:2020-01-01T00:01:00Z", "cde"),
    ("created_at=gte:2020-01-01T00:01:00", "bcde"),
    ("created_at=lt:2020-01-01T01:01:00%2B01:00", "a"),
    ("created_at=lte:20200101T0001", "ab"),
    ("created_at=gt:2019", "abcde"),
    ("updated_at=gte:2020-01-01%2001:00", "e"),
];

on_each_database! {
    /// The envelope has its keys in order; an image in a list is the image that is shown.
    async fn the_envelope(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let empty = alice.get("/v2/images").await.expect(200);
        assert_eq!(empty.text(), r#"{"images":[],"first":"/v2/images","schema":"/v2/schemas/images"}"#);
        assert_eq!(empty.header("content-type"), "application/json");
        let id = alice.created(image().named("one").with("p", "v").tags(&["t"])).await;
        let listed = alice.get("/v2/images?limit=1").await.expect(200).json();
        assert_eq!(keys(&listed), ["images", "first", "schema", "next"]);
        let shown = alice.show(&id).await.json();
        assert_eq!(listed["images"][0].to_string(), shown.to_string());
    }

    /// What a list contains, by caller, `visibility` and `member_status`.
    async fn scopes(database: Database) {
        let app = database.app();
        let mut images = Vec::new();
        for owner in ["alice", "bob"] {
            for visibility in Visibility::ALL {
                let name = format!("{owner} {visibility}");
                images.push(Image { visibility, ..named(&name, owner, 1) });
            }
        }
        for status in MemberStatus::ALL {
            let name = format!("bob {}", status.as_str());
            images.push(Image { visibility: Visibility::Shared, ..named(&name, "bob", 2) });
        }
        for visibility in [Visibility::Public, Visibility::Shared, Visibility::Private] {
            let name = format!("nobody {visibility}");
            images.push(Image { owner: None, visibility, ..named(&name, "", 3) });
        }
        images.push(Image { os_hidden: true, ..named("alice hidden", "alice", 4) });
        app.insert(&images).await;
        for (image, status) in images[8..11].iter().zip(MemberStatus::ALL) {
            app.insert_member(image, "alice", status).await;
        }
        let own = ["alice community", "alice private", "alice public", "alice shared"];
        let alice = app.as_reader("alice");
        let with = |more: &[&str]| {
            let mut all: Vec<String> = own.iter().chain(more).map(|name| (*name).to_owned()).collect();
            all.sort();
            all
        };
        let public = ["bob public", "nobody public"];
        for (query, more) in [
            ("", &["bob accepted"][..]),
            ("member_status=accepted", &["bob accepted"]),
            ("member_status=pending", &["bob pending"]),
            ("member_status=rejected", &["bob rejected"]),
            ("member_status=all", &["bob accepted", "bob pending", "bob rejected"]),
            ("visibility=all", &["bob accepted", "bob community"]),
        ] {
            assert_eq!(sorted_names(&alice, query).await, with(&[more, &public[..]].concat()), "{query}");
        }
        for (query, expected) in [
            ("visibility=public", &["alice public", "bob public", "nobody public"][..]),
            ("visibility=community", &["alice community", "bob community"]),
            ("visibility=private", &["alice private"]),
            ("visibility=shared", &["alice shared", "bob accepted"]),
            ("visibility=shared&member_status=all",
                &["alice shared", "bob accepted", "bob pending", "bob rejected"]),
            ("visibility=", &[]),
            ("os_hidden=true", &["alice hidden"]),
            ("os_hidden=TRUE&visibility=all", &["alice hidden"]),
            ("owner=bob&visibility=all", &["bob accepted", "bob community", "bob public"]),
        ] {
            assert_eq!(sorted_names(&alice, query).await, expected, "{query}");
        }
        let admin = app.as_admin();
        assert_eq!(sorted_names(&admin, "").await.len(), 12, "all but the two community images and a hidden one");
        assert_eq!(sorted_names(&admin, "visibility=all").await.len(), 14);
        assert_eq!(sorted_names(&admin, "visibility=private").await.len(), 3);
        assert_eq!(sorted_names(&admin, "os_hidden=true").await, ["alice hidden"]);
        let bob = app.as_member("bob");
        assert_eq!(sorted_names(&bob, "").await.len(), 9);
    }

    /// Who may list at all.
    async fn the_policy_decides(database: Database) {
        let app = database.app();
        for (caller, status) in [
            (app.as_reader("alice"), 200),
            (app.as_role("alice", &[]), 403),
            (app.as_service(), 403),
            (app.as_system(), 403),
            (app.as_nobody(), 401),
            (app.as_admin(), 200),
        ] {
            caller.list("").await.expect(status);
        }
    }

    /// Each filter finds what it names and nothing else.
    async fn filters(database: Database) {
        let app = database.app();
        let images = five_images(&app).await;
        let alice = app.as_member("alice");
        let id = &images[1].id;
        for (query, expected) in [
            ("", "abcde"),
            ("name=a", "a"),
            ("name=eq:a", "a"),
            ("name=in:a,c,zzz", "ac"),
            ("name=in:", ""),
            ("name=eq:d:e,%22f%22", "d"),
            ("name=", ""),
            ("name=A", ""),
            ("name=a%20", ""),
            ("name=in:a%20,b", "b"),
            ("name=a&name=b", "b"),
            ("status=active", "abde"),
            ("status=in:active,queued", "abcde"),
            ("status=killed", ""),
            ("disk_format=raw", "abde"),
            ("disk_format=in:qcow2,vdi", "c"),
            ("container_format=bare", "abce"),
            (&format!("id={id}"), "b"),
            (&format!("id=in:{id},{}", images[4].id), "be"),
            ("tag=x", "ab"),
            ("tag=%20x%20", "ab"),
            ("tag=x&tag=y", "a"),
            ("tag=X", ""),
            ("os_distro=debian", "ab"),
            ("os_distro=debian&arch=arm", "a"),
            ("os_distro=eq:debian", ""),
            ("os_distro=debian%20", ""),
            ("os_distro%20=debian", ""),
            ("members=many", "b"),
            ("is_public=true", ""),
            ("deleted=true", "abcde"),
            ("size=100", "a"),
            ("size_min=100", "ab"),
            ("size_min=101", "b"),
            ("size_max=100", "a"),
            ("size_min=100&size_max=199", "a"),
            ("virtual_size_min=1", "b"),
            ("min_disk=10", "a"),
            ("min_ram_min=1", "d"),
            ("min_disk_max=9", "bcde"),
            ("checksum=abc", "c"),
            ("os_hash_value=def", "d"),
            ("owner=alice", "abcde"),
            ("owner=bob", ""),
            ("protected=true", "e"),
            ("protected=false", "abcd"),
            ("name=in:a,b,c&status=queued&tag=x", ""),
            ("member_status=all", "abcde"),
            ("unknown=", ""),
            ("%F0%9F%98%80=x", ""),
        ]
        .into_iter()
        .chain(TIMES)
        {
            let found: Vec<String> =
                sorted_names(&alice, query).await.iter().map(|name| name[..1].to_owned()).collect();
            assert_eq!(found.concat(), expected, "{query}");
        }
    }

    /// Parameters that mean nothing are refused.
    async fn bad_parameters(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        for query in [
            "limit=-1", "limit=x", "limit=", "limit=1.5", "limit=0x1", "member_status=maybe", "member_status=",
            "member_status=Accepted", "visibility=PUBLIC", "visibility=none", "os_hidden=1", "os_hidden=",
            "protected=True", "protected=", "changes-since=2020-01-01", "changes-since=", "name=a:b",
            "name=neq:a", "id=like:a", "status=neq:active", "disk_format=x:y", "container_format=gt:a",
            "created_at=yesterday", "created_at=about:2020-01-01", "created_at=gt:2020-13-01", "updated_at=",
            "created_at=gt:2020-W01", "size_min=x", "size_max=", "min_ram_min=a", "foo_min=1", "foo_max=1",
            "name=in:%22a", "name=in:a%22b%22", "name=in:%22a%22b", "sort=name,", "sort=,", "sort=",
            "sort=name:asc:desc", "sort=name:up", "sort=owner", "sort_key=owner", "sort_key=", "sort_dir=ASC",
            "sort_dir=", "sort=name&sort_key=name", "sort=name&sort_dir=asc", "sort_dir=asc&sort_dir=desc",
            "sort_key=name&sort_dir=asc&sort_dir=desc", "marker=", "marker=nothing",
            "marker=00000000-0000-0000-0000-000000000000", "name=%FF", "%FF=x", "name=%00", "marker=%00", "tag=%00",
        ] {
            alice.list(query).await.expect_for(400, query);
        }
        alice.list(&format!("marker={}", "x".repeat(1000))).await.expect(400);
    }

    /// Keys, directions and ties.
    async fn orders(database: Database) {
        let app = database.app();
        let mut images: Vec<Image> = (0..4).map(|n| named("", "alice", n)).collect();
        for (image, (name, size, status, disk)) in images.iter_mut().zip([
            (Some("b"), Some(5), Status::Active, Some("raw")),
            (None, None, Status::Queued, None),
            (Some("B"), Some(9), Status::Active, Some("iso")),
            (Some("a"), Some(5), Status::Deactivated, Some("raw")),
        ]) {
            image.name = name.map(str::to_owned);
            (image.size, image.status, image.disk_format) = (size, status, disk.map(str::to_owned));
        }
        images[0].updated_at = images[0].updated_at.plus_seconds(100);
        app.insert(&images).await;
        let alice = app.as_member("alice");
        let ids: Vec<&str> = images.iter().map(|image| image.id.as_str()).collect();
        for (query, expected) in [
            ("", "3210"),
            ("sort_dir=asc", "0123"),
            ("sort_key=created_at&sort_dir=asc", "0123"),
            ("sort=created_at", "3210"),
            ("sort=created_at:asc", "0123"),
            ("sort_key=updated_at", "0321"),
            ("sort_key=name", "0321"),
            ("sort=name:asc", "1230"),
            ("sort=size:asc", "1032"),
            ("sort=size", "2301"),
            ("sort=size:asc,created_at:desc", "1302"),
            ("sort=size:desc,name:asc", "2301"),
            ("sort_key=size&sort_key=name&sort_dir=asc&sort_dir=desc", "1032"),
            ("sort=status:asc", "0231"),
            ("sort=status", "1320"),
            ("sort=disk_format:asc", "1203"),
            ("sort=%20size%20:%20asc%20,name%20:desc", "1032"),
            ("sort_key=%20name%20&sort_dir=%20asc%20", "1230"),
            ("sort_key=container_format", "3210"),
        ] {
            let body = alice.list(query).await.expect_for(200, query).json();
            let order: Vec<String> = body["images"]
                .as_array()
                .unwrap()
                .iter()
                .map(|image| ids.iter().position(|id| image["id"] == *id).unwrap().to_string())
                .collect();
            assert_eq!(order.concat(), expected, "{query}");
            // Page by page the order is the same.
            let mut walked = String::new();
            let mut next = format!("/v2/images?limit=1&{query}");
            for _ in 0..6 {
                let page = alice.get(&next).await.expect_for(200, &next).json();
                for image in page["images"].as_array().unwrap() {
                    walked += &ids.iter().position(|id| image["id"] == *id).unwrap().to_string();
                }
                match page["next"].as_str() {
                    Some(path) => next = path.to_owned(),
                    None => break,
                }
            }
            assert_eq!(walked, expected, "pages of {query}");
        }
        let mut by_id = ids.clone();
        by_id.sort_unstable();
        let body = alice.list("sort=id:asc").await.expect(200).json();
        assert_eq!(body["images"].as_array().unwrap().iter().map(|i| &i["id"]).collect::<Vec<_>>(), by_id);
    }

    /// Pages are as long as asked, capped in silence, and linked with everything that was asked.
    async fn pages_and_links(database: Database) {
        let app = database.app_with(|options| {
            options.api.page = vitrine::model::list::PageLimits { default: 2, max: 3 };
        });
        let images = five_images(&app).await;
        let alice = app.as_member("alice");
        let marker = |n: usize| images[n].id.clone();
        for (query, count, first, next) in [
            ("", 2, "", Some(format!("marker={}", marker(3)))),
            ("limit=1", 1, "limit=1", Some(format!("limit=1&marker={}", marker(4)))),
            ("limit=3", 3, "limit=3", Some(format!("limit=3&marker={}", marker(2)))),
            ("limit=5000", 3, "limit=5000", Some(format!("limit=5000&marker={}", marker(2)))),
            ("limit=99999999999999999999", 3, "limit=99999999999999999999",
                Some(format!("limit=99999999999999999999&marker={}", marker(2)))),
            ("limit=0", 0, "limit=0", None),
            ("limit=1&limit=2", 1, "limit=1&limit=2", Some(format!("limit=1&limit=2&marker={}", marker(4)))),
            ("limit=3&tag=x", 2, "limit=3&tag=x", None),
            ("limit=2&tag=x", 2, "limit=2&tag=x", Some(format!("limit=2&tag=x&marker={}", marker(0)))),
            ("tag=x&tag=y&limit=1", 1, "tag=x&tag=y&limit=1",
                Some(format!("tag=x&tag=y&limit=1&marker={}", marker(0)))),
            ("sort=name:asc,size&limit=1", 1, "sort=name%3Aasc%2Csize&limit=1",
                Some(format!("sort=name%3Aasc%2Csize&limit=1&marker={}", marker(0)))),
            ("name=eq:d:e,%22f%22", 1, "name=eq%3Ad%3Ae%2C%22f%22", None),
            ("os_distro=a%20b%26%C3%A9", 0, "os_distro=a+b%26%C3%A9", None),
        ] {
            let body = alice.list(query).await.expect_for(200, query).json();
            assert_eq!(body["images"].as_array().unwrap().len(), count, "{query}");
            let link = |query: &str| if query.is_empty() { "/v2/images".to_owned() } else { format!("/v2/images?{query}") };
            assert_eq!(body["first"], link(first), "{query}");
            assert_eq!(body.get("next"), next.map(|next| Value::String(link(&next))).as_ref(), "{query}");
        }
        // A full last page leads to an empty one.
        let body = alice.list(&format!("limit=1&marker={}", marker(1))).await.json();
        let next = body["next"].as_str().unwrap();
        assert_eq!(body["first"], "/v2/images?limit=1");
        let last = alice.get(next).await.expect(200).json();
        assert_eq!((&last["images"], last.get("next")), (&json!([]), None));
    }

    /// What can be a marker, and for whom.
    async fn markers(database: Database) {
        let app = database.app();
        let images = five_images(&app).await;
        let foreign = record("bob", 90);
        app.insert(std::slice::from_ref(&foreign)).await;
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        let after = |marker: &Image, more: &str| format!("marker={}&{more}", marker.id);
        assert_eq!(names(&alice, &after(&images[2], "")).await, ["b", "a"]);
        assert_eq!(names(&alice, &after(&images[2], "sort=name:asc")).await, ["d:e,\"f\"", "e"]);
        // The marker itself need not pass the filters.
        assert_eq!(names(&alice, &after(&images[2], "tag=y")).await, ["a"]);
        alice.list(&after(&foreign, "")).await.expect(400);
        assert_eq!(names(&admin, &after(&foreign, "")).await, ["b", "a"]);
        alice.remove(&images[2].id).await.expect(204);
        alice.list(&after(&images[2], "")).await.expect(400);
        assert_eq!(names(&admin, &after(&images[2], "")).await, ["", "b", "a"]);
        app.as_reader("carol").list(&after(&images[4], "")).await.expect(200);
    }
}
