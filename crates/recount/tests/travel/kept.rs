//! States that start from one that the view of sessions keeps: faster, and the same.

use std::fs;
use std::path::{Path, PathBuf};

use recount::{At, EventType, Recount, SessionAt, Timestamp, TrimLimit, TrimRequest};

use crate::engines::{self, event, message, say, texts};

async fn open(folder: &Path) -> Recount {
    let url = format!("disk:{}", folder.display());
    Recount::open(&url).await.unwrap()
}

async fn keep(recount: &Recount) {
    let views = recount.views().unwrap();
    views.catch_up(&["sessions"], &|_| {}).await.unwrap();
}

/// Where the view's rows are.
fn rows(folder: &Path) -> PathBuf {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let of_sessions = path
                .parent()
                .is_some_and(|folder| folder.ends_with("sessions"));
            if path.is_dir() {
                folders.push(path);
            } else if of_sessions && path.extension().is_some_and(|name| name == "mdb") {
                found.push(path);
            }
        }
    }
    assert_eq!(found.len(), 1);
    found.remove(0)
}

/// A session of 300 events of many kinds.
async fn record(recount: &Recount) {
    let events = (0..300_i64).map(|n| {
        let mut event = match n % 50 {
            49 => event(EventType::MemoryCleared, "s", "{}"),
            7 | 31 => event(EventType::ToolCalled, "s", r#"{"tool":"t"}"#),
            12 => event(
                EventType::ErrorOccurred,
                "s",
                r#"{"tool":"t","message":"no"}"#,
            ),
            20 => event(EventType::SummaryCreated, "s", r#"{"summary":"short"}"#),
            _ => message("s", &n.to_string()),
        };
        // Mostly in order.
        let at = if n % 17 == 0 { n - 40 } else { n };
        event.timestamp = Timestamp::from_millis(1_000_000 + at * 1_000).unwrap();
        event
    });
    recount.record_all(events).await.unwrap();
}

async fn at_all_moments(recount: &Recount) -> Vec<SessionAt> {
    let session = recount.session("s");
    let mut all = Vec::new();
    for revision in (0..=300).step_by(11) {
        all.push(session.at(At::Revision(revision), 20).await.unwrap());
    }
    let events = session.events().collect().await.unwrap();
    for recorded in events.iter().step_by(13) {
        let at = At::Entry(recorded.position.entry_id);
        all.push(session.at(at, 20).await.unwrap());
        let at = At::Happened(recorded.event().unwrap().timestamp);
        all.push(session.at(at, 20).await.unwrap());
    }
    all.push(session.at(At::Now, 20).await.unwrap());
    all
}

#[tokio::test]
async fn a_state_is_the_same_with_and_without_what_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let recount = open(folder.path()).await;
    record(&recount).await;
    let without = at_all_moments(&recount).await;
    keep(&recount).await;
    assert_eq!(at_all_moments(&recount).await, without);

    // A view that is behind helps as far as it goes.
    say(&recount, "s", (0..70).map(|n| format!("later {n}"))).await;
    let state = recount.session("s").state().await.unwrap();
    assert_eq!(state.revision, 370);
    let mut last = recount.session("s").steps();
    let mut folded = None;
    while let Some((_, state)) = last.next().await.unwrap() {
        folded = Some(state);
    }
    assert_eq!(Some(state), folded);
}

#[tokio::test]
async fn what_is_kept_is_used_and_knows_more_than_a_trimmed_log() {
    let folder = tempfile::tempdir().unwrap();
    let recount = open(folder.path()).await;
    say(&recount, "s", (1..=200).map(|n| n.to_string())).await;
    keep(&recount).await;
    let request = TrimRequest::exact(TrimLimit::MaxLength(50));
    recount.trim(&request).await.unwrap();
    let looked = recount.session("s").at(At::Now, 100).await.unwrap();
    assert!(looked.is_complete());
    assert_eq!(looked.state.message_count, 200);
    // Its messages are gone all the same, and that is said.
    assert_eq!(looked.messages.missing, 50);
    assert!(!looked.messages.complete);
    assert_eq!(texts(&looked.messages)[0], "151");

    // Without it, only what is left is known.
    fs::remove_dir_all(rows(folder.path()).parent().unwrap()).unwrap();
    let reopened = open_again(recount, folder.path()).await;
    let looked = reopened.session("s").at(At::Now, 100).await.unwrap();
    assert!(!looked.is_complete());
    assert_eq!(looked.state.message_count, 50);
}

async fn open_again(recount: Recount, folder: &Path) -> Recount {
    recount.close().await.unwrap();
    drop(recount);
    open(folder).await
}

#[tokio::test]
async fn a_damaged_view_breaks_no_state() {
    let folder = tempfile::tempdir().unwrap();
    let recount = open(folder.path()).await;
    record(&recount).await;
    let expected = at_all_moments(&recount).await;
    keep(&recount).await;
    recount.close().await.unwrap();
    drop(recount);
    let rows = rows(folder.path());
    let whole = fs::read(&rows).unwrap();
    let mut turned = whole.clone();
    for at in (4_096..turned.len()).step_by(97) {
        turned[at] ^= 0x55;
    }
    for damaged in [&whole[..whole.len() / 2], &turned, &b"not at all"[..], &[]] {
        fs::write(&rows, damaged).unwrap();
        let recount = open(folder.path()).await;
        assert_eq!(
            at_all_moments(&recount).await,
            expected,
            "{} bytes",
            damaged.len()
        );
        recount.close().await.unwrap();
    }
}

#[tokio::test]
async fn what_is_kept_of_another_log_is_not_believed() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let other = open(theirs.path()).await;
    say(&other, "s", (0..100).map(|n| format!("theirs {n}"))).await;
    keep(&other).await;
    other.close().await.unwrap();
    drop(other);
    let recount = open(ours.path()).await;
    say(&recount, "s", (0..100).map(|n| format!("ours {n}"))).await;
    let expected = recount.session("s").at(At::Now, 5).await.unwrap();
    keep(&recount).await;
    recount.close().await.unwrap();
    drop(recount);
    fs::copy(rows(theirs.path()), rows(ours.path())).unwrap();
    let recount = open(ours.path()).await;
    assert_eq!(recount.session("s").at(At::Now, 5).await.unwrap(), expected);
}

#[tokio::test]
async fn views_beside_a_mirror_are_used_like_any_other() {
    let engine = engines::mirrored().await;
    let recount = &engine.recount;
    record(recount).await;
    let without = at_all_moments(recount).await;
    keep(recount).await;
    assert_eq!(at_all_moments(recount).await, without);
}
