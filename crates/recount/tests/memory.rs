//! The memory of an agent: what it is told it knows, whoever asks, and whatever happens in between.

#[cfg(unix)]
#[path = "memory/redis.rs"]
mod redis;
#[path = "memory/wide.rs"]
mod wide;

use std::sync::Mutex;

use recount::memory::{
    Extractive, MemoryError, NewMessage, Recent, Scope, SummarizeError, Summarizer, Summary,
    SummaryRequest,
};
use recount::payload::SummaryCreated;
use recount::{
    AppendError, At, EventType, Memory, Outcome, Recount, SessionStatus, TrimLimit, TrimRequest,
    async_trait,
};
use tempfile::TempDir;

/// A log on disk, in a folder of its own.
struct Disk {
    folder: TempDir,
}

impl Disk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder }
    }

    fn url(&self) -> String {
        format!("disk:{}", self.folder.path().display())
    }

    async fn open(&self) -> Recount {
        Recount::open(&self.url()).await.unwrap()
    }
}

async fn say(memory: &Memory, text: &str) {
    memory.add_message(NewMessage::user(text)).await.unwrap();
}

fn texts(recent: &Recent) -> Vec<String> {
    let texts = recent.messages.iter().map(|message| message.text());
    texts.map(|text| text.unwrap().into_owned()).collect()
}

async fn found(memory: &Memory, query: &str) -> Vec<String> {
    let found = memory.find(query, 100, Scope::Session).await.unwrap();
    assert_eq!(found.recorded, None);
    let texts = found.hits.iter().map(|hit| hit.message.text().unwrap());
    texts.map(std::borrow::Cow::into_owned).collect()
}

/// The types of what is recorded of a session, in order.
async fn types(log: &Recount, session: &str) -> Vec<String> {
    let page = log.session(session).recent(1_000).await.unwrap();
    let events = page.entries.iter().filter_map(|entry| entry.event());
    events.map(|event| event.event_type.to_string()).collect()
}

/// Takes note of what it is asked, and counts.
#[derive(Default)]
struct Asked(Mutex<Vec<SummaryRequest>>);

#[async_trait]
impl Summarizer for Asked {
    async fn summarize(&self, request: &SummaryRequest) -> Result<Summary, SummarizeError> {
        let mut asked = self.0.lock().unwrap();
        asked.push(request.clone());
        Ok(Summary {
            tokens_in: Some(7),
            tokens_out: Some(3),
            ..Summary::new(format!("summary {}", asked.len()), "asked")
        })
    }
}

impl Asked {
    /// What was said in the request that came last.
    fn last(&self) -> (Option<String>, Vec<String>) {
        let asked = self.0.lock().unwrap();
        let request = asked.last().unwrap();
        let said = request.said.iter().map(|said| said.text.clone());
        (request.earlier.clone(), said.collect())
    }
}

#[tokio::test]
async fn every_call_records_its_event_and_the_first_begins_the_session() {
    let disk = Disk::new();
    let log = disk.open().await;
    let memory = log.memory("s1").user("ada").agent("support");
    let first = memory
        .add_message(NewMessage::user("Hello").id("m1"))
        .await
        .unwrap();
    assert!(first.began);
    assert_eq!(first.revision(), Some(2));
    let answer = NewMessage::assistant("Hi")
        .usage(10, 2)
        .cost(0.5)
        .model("small");
    let second = memory.add_message(answer).await.unwrap();
    assert!(!second.began);
    let searched = memory.search("hello", 5, Scope::Session).await.unwrap();
    assert_eq!(searched.recorded.unwrap().revision(), Some(4));
    memory
        .summarize(&Extractive::default())
        .await
        .unwrap()
        .unwrap();
    memory.clear("new topic").await.unwrap();
    memory.end("completed").await.unwrap();
    assert_eq!(
        types(&log, "s1").await,
        [
            "session.started",
            "message.added",
            "message.added",
            "search.performed",
            "summary.created",
            "memory.cleared",
            "session.ended",
        ]
    );
    let page = log.session("s1").recent(100).await.unwrap();
    for entry in &page.entries {
        let event = entry.event().unwrap();
        assert_eq!(event.user_id.as_deref(), Some("ada"));
        assert_eq!(event.agent_id.as_deref(), Some("support"));
    }
    let data = |at: usize| page.entries[at].event().unwrap().data.to_map();
    assert_eq!(data(3)["query"], "hello");
    assert_eq!(data(3)["results_count"], 1);
    assert_eq!(data(3)["scope"], "session");
    assert!(data(3)["duration_ms"].as_f64().unwrap() >= 0.0);
    assert_eq!(data(4)["message_count"], 2);
    assert_eq!(data(4)["model"], "extractive");
    assert_eq!(data(5)["message_count"], 2);
    assert_eq!(data(6)["reason"], "completed");
    assert!(data(6)["duration_ms"].is_u64());

    let stats = memory.stats().await.unwrap();
    assert_eq!((stats.message_count, stats.messages_added), (0, 2));
    assert_eq!((stats.searches, stats.summaries, stats.clears), (1, 1, 1));
    assert_eq!((stats.tokens.input, stats.tokens.output), (10, 2));
    assert!(matches!(stats.status, SessionStatus::Ended { .. }));
    assert_eq!(stats, log.session("s1").state().await.unwrap());
}

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
async fn a_summary_is_made_of_the_last_one_and_what_came_since() {
    let disk = Disk::new();
    let log = disk.open().await;
    let memory = log.memory("s1");
    let asked = Asked::default();
    assert_eq!(memory.summarize(&asked).await.unwrap(), None);
    assert_eq!(types(&log, "s1").await, Vec::<String>::new());

    say(&memory, "one").await;
    say(&memory, "two").await;
    let made = memory.summarize(&asked).await.unwrap().unwrap();
    assert_eq!((made.message_count, made.new, made.left_out), (2, 2, 0));
    assert_eq!(memory.summarize(&asked).await.unwrap(), None);
    say(&memory, "three").await;
    let made = memory.summarize(&asked).await.unwrap().unwrap();
    assert_eq!((made.message_count, made.new), (3, 1));
    let new = vec!["three".to_owned()];
    assert_eq!(asked.last(), (Some("summary 1".to_owned()), new));
    let stats = memory.stats().await.unwrap();
    assert_eq!((stats.tokens.input, stats.tokens.output), (14, 6));

    // One that somebody else made, who knows nothing of revisions.
    let created = SummaryCreated {
        summary: Some("theirs".to_owned()),
        ..SummaryCreated::default()
    };
    let theirs = recount::Event::builder(EventType::SummaryCreated, "s1");
    let data = recount::payload::Payload::from(created).to_data().unwrap();
    log.record(theirs.data(data).build().unwrap())
        .await
        .unwrap();
    say(&memory, "four").await;
    memory.summarize(&asked).await.unwrap().unwrap();
    let new = vec!["four".to_owned()];
    assert_eq!(asked.last(), (Some("theirs".to_owned()), new));
}

/// Adds a message while it summarises.
struct Slow(Memory);

#[async_trait]
impl Summarizer for Slow {
    async fn summarize(&self, _: &SummaryRequest) -> Result<Summary, SummarizeError> {
        say(&self.0, "meanwhile").await;
        Ok(Summary::new("slow", "slow"))
    }
}

#[tokio::test]
async fn what_is_said_while_a_summary_is_made_is_in_the_next_one() {
    let disk = Disk::new();
    let log = disk.open().await;
    let memory = log.memory("s1");
    say(&memory, "before").await;
    memory.summarize(&Slow(log.memory("s1"))).await.unwrap();
    let asked = Asked::default();
    memory.summarize(&asked).await.unwrap();
    assert_eq!(
        asked.last(),
        (Some("slow".to_owned()), vec!["meanwhile".to_owned()])
    );

    // Whoever wants nothing to come in between says so.
    say(&memory, "again").await;
    let revision = memory.recent(0).await.unwrap().revision;
    let refused = memory
        .expecting(revision)
        .summarize(&Slow(log.memory("s1")))
        .await;
    assert!(
        matches!(
            refused,
            Err(MemoryError::Append(AppendError::RevisionMismatch { expected, actual, .. }))
                if (expected, actual) == (revision, revision + 1)
        ),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_failed_summary_records_nothing() {
    struct Fails;
    #[async_trait]
    impl Summarizer for Fails {
        async fn summarize(&self, _: &SummaryRequest) -> Result<Summary, SummarizeError> {
            Err(SummarizeError::Failed("out of words".to_owned()))
        }
    }
    let disk = Disk::new();
    let log = disk.open().await;
    let memory = log.memory("s1");
    say(&memory, "Hello").await;
    let error = memory.summarize(&Fails).await.unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.code()),
        ("out of words", "failed")
    );
    assert_eq!(memory.stats().await.unwrap().summaries, 0);
}

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
pub async fn crowd(memory: impl Fn(usize) -> Memory) {
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

pub async fn assert_all_of_the_crowd(log: &Recount) {
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
