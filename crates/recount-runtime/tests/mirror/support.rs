//! What the cases share.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use recount_core::{
    Entry, EntryId, Event, EventLog, EventType, Partition, ReadRange, Timestamp, codec,
};
use recount_disk::{DiskLog, DiskOptions};
use recount_runtime::{Incident, IncidentKind, Mirror, MirrorOptions};

use super::fake::{Fake, entry};

/// Looks and syncs often: the cases wait for neither.
pub fn options(dir: &Path) -> MirrorOptions {
    MirrorOptions {
        look_every: Duration::from_millis(5),
        sync_every: Duration::from_millis(5),
        disk: DiskOptions {
            segment_bytes: 16 << 10,
            ..DiskOptions::default()
        },
        ..MirrorOptions::new(dir)
    }
}

pub async fn open(server: &Arc<Fake>, dir: &Path) -> Mirror {
    let opened = Mirror::open(Arc::clone(server) as _, options(dir)).await;
    opened.expect("the mirror opens")
}

/// A mirror that holds what the server has, and is closed again.
pub async fn mirrored(server: &Arc<Fake>, dir: &Path) {
    let mirror = open(server, dir).await;
    mirror.caught_up(&server.tail().await).await.unwrap();
    mirror.close().await;
}

/// A mirror that has caught up.
pub async fn caught_up(server: &Arc<Fake>, dir: &Path) -> Mirror {
    let mirror = open(server, dir).await;
    mirror.caught_up(&server.tail().await).await.unwrap();
    mirror
}

pub fn id(n: usize) -> EntryId {
    EntryId::new(1_000 + n as u64, 0)
}

pub fn event(n: usize) -> Event {
    Event::builder(EventType::MessageAdded, format!("s{}", n % 3))
        .id(format!("e{n}"))
        .user(format!("u{}", n % 2))
        .timestamp(Timestamp::saturating_from_millis(1_700_000_000_000))
        .build()
        .expect("a legal event")
}

/// The entries `from..to` of a stream that somebody published.
pub fn entries(numbers: Range<usize>) -> Vec<Entry> {
    numbers
        .map(|n| match n % 7 {
            // Now and then one that is no event.
            3 => noise(id(n)),
            _ => Entry::new(id(n), codec::encode(&event(n))),
        })
        .collect()
}

/// The same ids with other content.
pub fn others(numbers: Range<usize>) -> Vec<Entry> {
    numbers
        .map(|n| Entry::new(id(n), codec::encode(&event(n + 100_000))))
        .collect()
}

pub fn noise(id: EntryId) -> Entry {
    let fields = vec![(Bytes::from_static(b"noise"), Bytes::from_static(b"\xff"))];
    Entry::new(id, fields)
}

/// What a log holds.
pub async fn held(log: &DiskLog) -> Vec<Entry> {
    let mut all = Vec::new();
    let mut range = ReadRange::all();
    loop {
        let page = log.read(&range).await.expect("the mirror reads");
        all.extend(page.entries.iter().map(entry));
        match page.next {
            Some(next) => range = range.continued(next),
            None => return all,
        }
    }
}

pub async fn held_by(mirror: &Mirror, partition: Partition) -> Vec<Entry> {
    held(&mirror.log(partition).expect("a partition")).await
}

/// Asserts that the mirror holds what the server does.
pub async fn assert_same(mirror: &Mirror, server: &Fake, partition: Partition) {
    assert_eq!(
        held_by(mirror, partition).await,
        server.all(partition).await
    );
}

pub fn kinds(incidents: &[Incident]) -> Vec<IncidentKind> {
    incidents
        .iter()
        .map(|incident| incident.kind.clone())
        .collect()
}
