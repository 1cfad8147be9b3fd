//! `POST /v2/images`

use crate::support::*;

on_each_database! {
    /// smoke
    async fn smoke(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image().raw().private()).await;
        alice.upload(&id, bytes(1000)).await.expect(204);
        assert_eq!(alice.download(&id).await.expect(200).body, bytes(1000));
        alice.remove(&id).await.expect(204);
    }
}
