//! Listing buckets with more names than fit into one response.

use futures::StreamExt;

use super::*;

/// Proves that more names than fit into one answer are listed, and none twice.
#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_names_are_listed() {
    for server in servers() {
        let (_, named) = opened(&on(server));
        put(&named, &id(), &format!("n{:05}", 0), b"").await.unwrap();
        let puts = (1..2_105).map(|i| {
            let named = &named;
            async move { put(named, &id(), &format!("n{i:05}"), b"").await }
        });
        let _: Vec<_> = futures::stream::iter(puts).buffer_unordered(32).try_collect().await.unwrap();
        let found: Vec<_> = sorted(&named).await.into_iter().map(|listed| listed.name).collect();
        assert_eq!(found, (0..2_105).map(|i| format!("n{i:05}")).collect::<Vec<_>>());
    }
}
