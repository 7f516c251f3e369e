//! What is written once, together, or not at all.

use recount::memory::NewMessage;
use recount::{EventType, Memory, Outcome, Recount};

use crate::{Disk, say, texts, types};

#[tokio::test]
async fn a_write_that_expects_another_revision_is_refused_with_both() {
    let disk = Disk::new();
    let log = disk.open().await;
    let (mine, yours) = (log.memory("s1"), log.memory("s1"));
    say(&mine, "Hello").await;
    let seen = mine.recent(10).await.unwrap().revision;
    assert_eq!(seen, 2);
    let added = yours
        .expecting(seen)
        .add_message(NewMessage::user("first"))
        .await
        .unwrap();
    assert_eq!(added.revision(), Some(3));
    for refused in [
        mine.expecting(seen)
            .add_message(NewMessage::user("second"))
            .await
            .unwrap_err(),
        mine.expecting(seen).clear("mine").await.unwrap_err(),
        mine.expecting(seen).end("mine").await.unwrap_err(),
        mine.expecting(0)
            .add_message(NewMessage::user("third"))
            .await
            .unwrap_err(),
    ] {
        assert_eq!(refused.code(), "revision_mismatch");
        assert!(
            refused.to_string().contains("is at revision 3, not "),
            "{refused}"
        );
    }
    assert_eq!(texts(&mine.recent(10).await.unwrap()), ["Hello", "first"]);
    // A new session is at 0.
    let first = log
        .memory("s2")
        .expecting(0)
        .add_message(NewMessage::user("Hi"))
        .await
        .unwrap();
    assert!(first.began);
}

#[tokio::test]
async fn adding_a_message_again_adds_nothing_and_another_under_its_id_is_refused() {
    let disk = Disk::new();
    let log = disk.open().await;
    let hello = || NewMessage::user("Hello").id("m1");
    for expecting in [None, Some(0)] {
        let memory = || match expecting {
            Some(revision) => log.memory("s1").expecting(revision),
            None => log.memory("s1"),
        };
        memory().add_message(hello()).await.unwrap();
        let again = memory().add_message(hello()).await.unwrap();
        assert!(
            matches!(again.outcome, Outcome::Duplicate { .. }),
            "{again:?}"
        );
        assert_eq!(again.revision(), None);
    }
    assert_eq!(
        types(&log, "s1").await,
        ["session.started", "message.added"]
    );

    let other = NewMessage::user("Bye").id("m1");
    let refused = log
        .memory("s1")
        .add_message(other.clone())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), "conflict");
    let refused = log.memory("s2").add_message(other).await.unwrap_err();
    assert_eq!(refused.code(), "conflict");
    assert_eq!(types(&log, "s2").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_at_once_nothing_is_lost_and_one_begins_the_session() {
    let disk = Disk::new();
    let log = disk.open().await;
    crowd(|_| log.memory("s1")).await;
    assert_all_of_the_crowd(&log).await;
}

/// Ten memories, in each of which ten messages are added.
pub(crate) async fn crowd(memory: impl Fn(usize) -> Memory) {
    let adding = (0..10).map(|who| {
        let memory = memory(who);
        tokio::spawn(async move {
            for number in 0..10 {
                say(&memory, &format!("{who}: {number}")).await;
            }
            memory
        })
    });
    for added in adding.collect::<Vec<_>>() {
        let memory = added.await.unwrap();
        let recent = memory.recent(1_000).await.unwrap();
        assert!(recent.complete && recent.messages.len() >= 10);
    }
}

pub(crate) async fn assert_all_of_the_crowd(log: &Recount) {
    let recent = log.memory("s1").recent(1_000).await.unwrap();
    assert!(recent.complete);
    assert_eq!(recent.revision, 101);
    let said = texts(&recent);
    for who in 0..10 {
        let own = said
            .iter()
            .filter(|text| text.starts_with(&format!("{who}: ")));
        let expected: Vec<_> = (0..10).map(|number| format!("{who}: {number}")).collect();
        assert_eq!(own.cloned().collect::<Vec<_>>(), expected, "in order");
    }
    let stats = log.memory("s1").stats().await.unwrap();
    assert_eq!(stats.count(&EventType::SessionStarted), 1);
}
