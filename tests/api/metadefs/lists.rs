//! Pages, order and filters of the lists.

use serde_json::{Value, json};

use super::{NS, created};
use crate::support::*;

fn names(list: &Value) -> Vec<String> {
    let found = list["namespaces"].as_array().unwrap().iter();
    found.map(|n| n["namespace"].as_str().unwrap().to_owned()).collect()
}

/// Walks the pages of a list by their `next` links.
async fn walk(client: &Client, query: &str) -> Vec<String> {
    let (mut path, mut seen) = (format!("{NS}?{query}"), Vec::new());
    loop {
        let page = client.get(&path).await.expect(200).json();
        seen.extend(names(&page));
        match page.get("next") {
            Some(next) => path = next.as_str().unwrap().to_owned(),
            None => return seen,
        }
    }
}

/// Seven namespaces whose type `T::<k>` sets them apart from the catalogue.
async fn seven(admin: &Client) {
    for n in 0..7 {
        let visibility = if n % 2 == 0 { "public" } else { "private" };
        let mut body = json!({"namespace": format!("n{n}&"), "visibility": visibility, "owner": format!("p{}", n % 3),
                              "protected": n == 3, "resource_type_associations": [{"name": "T::All"}]});
        if n > 3 {
            body["display_name"] = json!(format!("d{}", 9 - n));
            body["resource_type_associations"] =
                json!([{"name": "T::All"}, {"name": "T::Few", "prefix": "f"}]);
        }
        created(admin, body).await;
    }
}

on_each_database! {
    /// Whatever the order, pages join into the whole list, each namespace once.
    async fn pages_join(database: Database) {
        let app = database.app();
        let admin = app.as_admin();
        seven(&admin).await;
        for key in ["namespace", "display_name", "description", "visibility", "protected", "owner", "created_at",
                    "updated_at", "id"] {
            for direction in ["asc", "desc"] {
                let query = format!("resource_types=T::All&sort_key={key}&sort_dir={direction}");
                let whole = walk(&admin, &query).await;
                assert_eq!(whole.len(), 7, "{query}");
                for limit in [1, 2, 3, 7] {
                    assert_eq!(walk(&admin, &format!("{query}&limit={limit}")).await, whole, "{query} by {limit}");
                }
            }
        }
        let newest_first = walk(&admin, "resource_types=T::All").await;
        assert_eq!(newest_first.first().map(String::as_str), Some("n6&"));
        let by_title = walk(&admin, "resource_types=T::Few&sort_key=display_name&sort_dir=asc").await;
        assert_eq!(by_title, ["n6&", "n5&", "n4&"]);
    }

    /// Links repeat the query, and each namespace comes with its associations.
    async fn shape(database: Database) {
        let app = database.app();
        let admin = app.as_admin();
        seven(&admin).await;
        let page = admin.get(&format!("{NS}?limit=2&resource_types=none,T::Few&foo=a%20b&limit=1")).await.json();
        assert_eq!(keys(&page), ["namespaces", "next", "schema", "first"]);
        assert_eq!(page["first"], format!("{NS}?limit=2&resource_types=none%2CT%3A%3AFew&foo=a+b&limit=1"));
        assert_eq!(page["next"], format!("{NS}?limit=2&resource_types=none%2CT%3A%3AFew&foo=a+b&limit=1&marker=n5%26"));
        let first = &page["namespaces"][0];
        assert_eq!(first["resource_type_associations"][1]["prefix"], "f");
        assert!(first.get("tags").is_none() && first.get("objects").is_none());
        assert_eq!(names(&admin.get(&format!("{NS}?limit=0")).await.json()), Vec::<String>::new());
    }

    /// Each sees what is public and what is its own; a marker must be visible.
    async fn scopes_and_filters(database: Database) {
        let app = database.app();
        let admin = app.as_admin();
        seven(&admin).await;
        let own = app.as_reader("p1");
        assert_eq!(walk(&own, "resource_types=T::All&sort_key=namespace&sort_dir=asc").await, ["n0&", "n1&", "n2&", "n4&", "n6&"]);
        assert_eq!(walk(&own, "visibility=private").await, ["n1&"]);
        assert_eq!(walk(&admin, "visibility=private&sort_dir=asc&resource_types=T::All").await, ["n1&", "n3&", "n5&"]);
        assert!(walk(&admin, "visibility=").await.is_empty());
        assert!(walk(&admin, "resource_types=").await.is_empty());
        own.get(&format!("{NS}?marker=n3%26")).await.expect(403);
        own.get(&format!("{NS}?marker=n1%26")).await.expect(200);
        for (status, query) in [
            (404, "marker=none"), (404, "marker="), (400, "limit=-1"), (400, "limit=a"), (400, "limit="),
            (400, "sort_key=foo"), (400, "sort_key="), (400, "sort_dir=ASC"), (400, "sort_dir="),
            (400, "visibility=shared"), (200, "limit=5000"), (200, "foo=1"), (200, "limit=%2B1"),
        ] {
            admin.get(&format!("{NS}?{query}")).await.expect_for(status, query);
        }
    }

    /// Tags have pages of their own; lists of objects and properties read their query and return everything.
    async fn lists_of_parts(database: Database) {
        let app = database.app();
        let admin = app.as_admin();
        created(&admin, json!({"namespace": "N", "objects": [{"name": "o"}, {"name": "oo"}],
            "tags": [{"name": "c"}, {"name": "a"}, {"name": "b"}]})).await;
        let tags = async |query: &str| -> Vec<String> {
            let list = admin.get(&format!("{NS}/N/tags?{query}")).await.expect_for(200, query).json();
            list["tags"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(tags("").await, ["b", "a", "c"]);
        assert_eq!(tags("sort_key=name&sort_dir=asc").await, ["a", "b", "c"]);
        assert_eq!(tags("sort_key=name&limit=1&marker=b").await, ["a"]);
        assert_eq!(tags("marker=a").await, ["c"]);
        assert_eq!(tags("limit=0").await, Vec::<String>::new());
        assert_eq!(tags("limit=&marker=").await.len(), 3);
        for (objects, properties, tags, query) in [
            (400, 200, 200, "limit=0"), (400, 200, 400, "limit=-1"), (400, 200, 400, "limit=a"),
            (400, 200, 200, "limit="), (200, 200, 200, "limit=1"), (200, 200, 404, "marker=none"),
            (200, 200, 400, "sort_key=foo"), (400, 200, 400, "sort_dir=x"), (200, 200, 200, "visibility=shared"),
            (400, 200, 400, "visibility=community"), (200, 200, 200, "foo=1"),
        ] {
            for (status, kind) in [(objects, "objects"), (properties, "properties"), (tags, "tags")] {
                admin.get(&format!("{NS}/N/{kind}?{query}")).await.expect_for(status, (kind, query));
            }
        }
        let all = admin.get(&format!("{NS}/N/objects?limit=1&marker=o")).await.json();
        assert_eq!(all["objects"].as_array().unwrap().len(), 2);
    }
}
