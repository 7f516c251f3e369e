//! The memory of an agent: what it is told it knows, whoever asks, and whatever happens in between.

mod reads;
#[cfg(unix)]
mod redis;
mod summaries;
mod wide;
mod writes;

use std::sync::Mutex;

use recount::memory::{
    Extractive, NewMessage, Recent, Scope, SummarizeError, Summarizer, Summary, SummaryRequest,
};
use recount::{Memory, Recount, SessionStatus, StateMessage, async_trait};
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
    let texts = recent.messages.iter().map(StateMessage::text);
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
