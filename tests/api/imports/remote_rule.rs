//! Who may have data fetched from other networks (section 0.7 of the extensions).

use serde_json::json;

use crate::support::*;

/// By default whoever may import; with the profile hardened administrators and one role, also for other clouds; what a
/// client stages himself is nobody else's business.
#[test]
fn few_fetch_from_other_networks_where_the_operator_says_so() {
    block_on(async {
        let source = WebSource::start();
        for hardened in [false, true] {
            let app = Database::Sqlite.app_with(|options| {
                reach_loopback(options);
                options.policy.hardened = hardened;
                options.image.enabled_import_methods.push("glance-download".to_owned());
            });
            let importer = app.as_role("alice", &["member", "reader", "image_import_admin"]);
            let member = if hardened { 403 } else { 202 };
            for (client, status) in [(app.as_member("alice"), member), (importer, 202), (app.as_admin(), 202)]
            {
                let id = client.created(image().raw()).await;
                let body = json!({"method": {"name": "web-download", "uri": source.url("x")}});
                super::import(&client, &id, body).await.expect_for(status, hardened);
            }
            let alice = app.as_member("alice");
            let id = alice.created(image().raw()).await;
            let other = json!({"method": {"name": "glance-download", "glance_region": "r",
                                          "glance_image_id": "5c8b1a0e-0000-4000-8000-000000000000"}});
            let refused = super::import(&alice, &id, other).await;
            assert_eq!(refused.text().contains("ext:import_remote"), hardened, "{}", refused.text());
            let id = alice.created(image().raw()).await;
            super::stage(&alice, &id, b"data".to_vec()).await.expect(204);
            super::import(&alice, &id, json!({"method": {"name": "glance-direct"}})).await.expect(202);
        }
    });
}
