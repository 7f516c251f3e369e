//! Streams of many partitions.

use super::fake::Fake;
use super::support::{assert_same, caught_up, entries};

#[tokio::test(flavor = "multi_thread")]
async fn partitions_connect_together_and_are_registered_together() {
    let partitions = 100;
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(partitions);
    server.add(7, entries(0..10)).await;
    // Were they to wait for each other, the first registration would not end.
    server.register_after_feeds(partitions);
    let mirror = caught_up(&server, dir.path()).await;
    assert_same(&mirror, &server, 7).await;
    // The first one's, all the others' together, and one more when what was mirrored is synced.
    let registered = server.registered().len();
    assert!(registered <= 5, "registered {registered} times");
    assert_eq!(mirror.unregistered(), None);
    mirror.close().await;
}
