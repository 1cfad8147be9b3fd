//! `GET /v2/info/stores` and `/v2/info/stores/detail`

use serde_json::json;

use super::*;

on_each_database! {
    /// Everybody sees the stores in the order of the configuration; their particulars are for admins and services.
    async fn stores_are_listed(database: Database) {
        let app = database.app_with_stores();
        let folder = |id: &str| app.folder().join(id).display().to_string();
        let expected = json!({"stores": [
            {"id": "fast", "description": "the fast one", "default": "true"},
            {"id": "slow", "description": "the slow one"},
            {"id": "near", "description": "the near one"},
            {"id": "web", "read-only": "true"},
        ]});
        for caller in [app.as_reader("r"), app.as_member("m"), app.as_admin()] {
            assert_eq!(caller.get("/v2/info/stores").await.expect(200).json(), expected);
        }
        let details = |id: &str, weight: i64, default: bool| {
            let mut details = json!({"id": id, "description": format!("the {id} one"), "type": "file", "weight": weight,
                "properties": {"data_dir": folder(id), "chunk_size": 65536, "thin_provisioning": false}});
            if default {
                details["default"] = json!("true");
            }
            details
        };
        let expected = json!({"stores": [
            details("fast", 0, true),
            details("slow", -5, false),
            details("near", 10, false),
            {"id": "web", "read-only": "true", "type": "http", "weight": 0, "properties": {}},
        ]});
        for caller in [app.as_admin(), app.as_service()] {
            assert_eq!(caller.get("/v2/info/stores/detail").await.expect(200).json(), expected);
        }
        for caller in [app.as_reader("r"), app.as_member("m")] {
            caller.get("/v2/info/stores/detail").await.expect(403);
        }
        app.as_nobody().get("/v2/info/stores").await.expect(401);
        for path in ["/v2/info/stores", "/v2/info/stores/detail"] {
            let answer = app.as_admin().post(path).await.expect(405);
            assert_eq!(answer.header("allow"), "GET");
        }
        let answer = app.as_admin().get("/v2/stores/fast/x").await.expect(405);
        assert_eq!(answer.header("allow"), "DELETE");
    }

    /// With a single store there is nothing to tell, whoever asks.
    async fn a_single_store_is_not_listed(database: Database) {
        let app = database.app();
        for path in ["/v2/info/stores", "/v2/info/stores/detail"] {
            for caller in [app.as_member("m"), app.as_admin()] {
                caller.get(path).await.expect(404);
            }
        }
        let created = app.as_member("m").create(image()).await.expect(201);
        assert!(created.header("openstack-image-store-ids").is_empty());
    }
}
