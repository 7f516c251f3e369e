//! What is remembered, found, and told to be missing.

use recount::memory::{Extractive, NewMessage, Scope};
use recount::{At, Recount, TrimLimit, TrimRequest};

use crate::{Asked, Disk, found, say, texts, types};

#[tokio::test]
async fn after_a_restart_the_memory_is_the_same() {
    let disk = Disk::new();
    let log = disk.open().await;
    let memory = log.memory("s1");
    for number in 0..30 {
        say(&memory, &format!("message {number}")).await;
    }
    memory.summarize(&Asked::default()).await.unwrap();
    say(&memory, "and another").await;
    let before = memory.recent(10).await.unwrap();
    assert_eq!(before.messages.len(), 10);
    assert_eq!(before.summary.as_deref(), Some("summary 1"));
    assert!(before.complete);
    assert_eq!((before.message_count, before.revision), (31, 33));
    // A second look goes on from the first.
    assert_eq!(memory.recent(10).await.unwrap(), before);
    log.close().await.unwrap();

    let log = disk.open().await;
    assert_eq!(log.memory("s1").recent(10).await.unwrap(), before);
    let none = log.memory("s2").recent(10).await.unwrap();
    assert_eq!(
        (none.messages.len(), none.revision, none.complete),
        (0, 0, true)
    );
}

#[tokio::test]
async fn what_was_cleared_is_forgotten_and_stays_in_the_past() {
    let disk = Disk::new();
    let log = disk.open().await;
    let memory = log.memory("s1");
    say(&memory, "the old order").await;
    memory.summarize(&Extractive::default()).await.unwrap();
    assert_eq!(memory.recent(10).await.unwrap().messages.len(), 1);
    // Another handle clears; this one has looked before.
    log.memory("s1").clear("new topic").await.unwrap();
    say(&memory, "the new order").await;
    let recent = memory.recent(10).await.unwrap();
    assert_eq!(texts(&recent), ["the new order"]);
    assert_eq!((recent.summary.as_deref(), recent.complete), (None, true));
    assert_eq!(found(&memory, "order").await, ["the new order"]);

    let before = log.session("s1").at(At::Revision(2), 10).await.unwrap();
    assert_eq!(before.messages.messages[0].text().unwrap(), "the old order");
    // What is summarised next is what came after.
    let asked = Asked::default();
    memory.summarize(&asked).await.unwrap();
    assert_eq!(asked.last(), (None, vec!["the new order".to_owned()]));
}

#[tokio::test]
async fn a_fork_remembers_what_its_parent_knew_there() {
    let disk = Disk::new();
    let log = disk.open().await;
    let parent = log.memory("parent");
    for text in ["red apple", "green apple"] {
        say(&parent, text).await;
    }
    let asked = Asked::default();
    parent.summarize(&asked).await.unwrap();
    say(&parent, "blue apple").await;
    log.session("parent").fork(At::Now, "child").await.unwrap();
    say(&parent, "apple pie").await;
    let child = log.memory("child");
    say(&child, "apple juice").await;

    let recent = child.recent(10).await.unwrap();
    let expected = ["red apple", "green apple", "blue apple", "apple juice"];
    assert_eq!(texts(&recent), expected);
    assert_eq!(recent.summary.as_deref(), Some("summary 1"));
    assert!(recent.complete);
    let mut hits = found(&child, "apple").await;
    hits.sort();
    assert_eq!(
        hits,
        ["apple juice", "blue apple", "green apple", "red apple"]
    );
    // The parent's summary knows what was there when it was made.
    let made = child.summarize(&asked).await.unwrap().unwrap();
    let new = vec!["blue apple".to_owned(), "apple juice".to_owned()];
    assert_eq!(asked.last(), (Some("summary 1".to_owned()), new));
    assert_eq!((made.message_count, made.new, made.left_out), (4, 2, 0));
    // And the child's own knows what it shares.
    say(&child, "apple tree").await;
    child.summarize(&asked).await.unwrap().unwrap();
    let new = vec!["apple tree".to_owned()];
    assert_eq!(asked.last(), (Some("summary 2".to_owned()), new));

    child.clear("enough").await.unwrap();
    assert_eq!(found(&child, "apple").await, Vec::<String>::new());
    assert_eq!(found(&parent, "apple").await.len(), 4);
}

#[tokio::test]
async fn a_part_of_a_memory_is_never_silent() {
    let disk = Disk::new();
    let log = disk.open().await;
    let memory = log.memory("s1");
    for number in 0..10 {
        say(&memory, &format!("message {number}")).await;
    }
    // One handle has looked before the trim.
    assert!(memory.recent(3).await.unwrap().complete);
    let request = TrimRequest::exact(TrimLimit::MaxLength(4));
    assert_eq!(log.trim(&request).await.unwrap().removed, 7);
    for memory in [&memory, &log.memory("s1")] {
        let recent = memory.recent(4).await.unwrap();
        assert_eq!(recent.messages.len(), 4);
        assert!(recent.complete, "the newest four are there: {recent:?}");
        let recent = memory.recent(20).await.unwrap();
        assert_eq!(recent.messages.len(), 4);
        assert!(!recent.complete);
        assert_eq!((recent.retained_from, recent.revision), (Some(8), 11));
    }
    let all = TrimRequest::exact(TrimLimit::MaxLength(0));
    log.trim(&all).await.unwrap();
    // It goes on, and is not begun again.
    say(&log.memory("s1"), "still here").await;
    assert_eq!(types(&log, "s1").await, ["message.added"]);
    assert_eq!(texts(&memory.recent(1).await.unwrap()), ["still here"]);
}

#[tokio::test]
async fn messages_as_large_as_an_event_may_be_are_kept_and_searched() {
    let disk = Disk::new();
    let log = disk.open().await;
    let memory = log.memory("s1");
    let large = |word: &str| format!("{word} {}", "lorem ipsum ".repeat(87_000));
    for word in ["alpha", "beta", "gamma"] {
        let text = large(word);
        assert!(text.len() > 1_000_000);
        memory
            .add_message(NewMessage::assistant(text))
            .await
            .unwrap();
    }
    let too_large = NewMessage::user("x".repeat(1 << 20));
    let refused = memory.add_message(too_large).await.unwrap_err();
    assert_eq!(refused.code(), "invalid_event");
    let recent = log.memory("s1").recent(10).await.unwrap();
    assert_eq!(
        texts(&recent),
        [large("alpha"), large("beta"), large("gamma")]
    );
    assert_eq!(found(&memory, "beta").await, [large("beta")]);
    let summary = memory
        .summarize(&Extractive::default())
        .await
        .unwrap()
        .unwrap();
    assert!(
        summary.summary.text.len() <= 1_200,
        "{}",
        summary.summary.text.len()
    );
}

#[tokio::test]
async fn a_search_ranks_what_says_most_first() {
    let disk = Disk::new();
    let log = disk.open().await;
    let memory = log.memory("s1");
    say(
        &memory,
        "I would like to know more about the long history of orders",
    )
    .await;
    say(&memory, "Refund the ORDER!").await;
    let parts = serde_json::json!([{"type": "text", "text": "no refund"}]);
    memory
        .add_message(NewMessage::new("tool", parts))
        .await
        .unwrap();
    say(&memory, "nothing of the kind").await;
    let hits = memory
        .search("refund order", 2, Scope::Session)
        .await
        .unwrap()
        .hits;
    assert_eq!(hits[0].message.text().unwrap(), "Refund the ORDER!");
    assert_eq!(hits[1].message.message.role.as_deref(), Some("tool"));
    assert!(hits[0].score > hits[1].score && hits[1].score > 0.0);
    assert_eq!(hits.len(), 2);

    for nothing in ["", " ", "?!"] {
        let refused = memory.search(nothing, 5, Scope::Session).await.unwrap_err();
        assert_eq!(refused.code(), "no_words");
    }
    let none = memory.search("unheard", 5, Scope::Session).await.unwrap();
    assert_eq!(none.hits, []);
    assert_eq!(memory.stats().await.unwrap().searches, 2);
}

#[tokio::test]
async fn a_log_that_is_only_read_can_be_asked() {
    let disk = Disk::new();
    let log = disk.open().await;
    say(&log.memory("s1"), "Hello").await;
    let reading = Recount::builder().url(disk.url()).read_only();
    let memory = reading.open().await.unwrap().memory("s1");
    assert_eq!(texts(&memory.recent(5).await.unwrap()), ["Hello"]);
    assert_eq!(found(&memory, "hello").await, ["Hello"]);
    let refused = memory.search("hello", 5, Scope::Session).await.unwrap_err();
    assert_eq!(refused.code(), "read_only");
}
