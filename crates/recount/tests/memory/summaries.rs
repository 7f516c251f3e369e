//! What is summarised, and what a summary stands for.

use recount::memory::{MemoryError, SummarizeError, Summarizer, Summary, SummaryRequest};
use recount::payload::SummaryCreated;
use recount::{AppendError, EventType, Memory, async_trait};

use crate::{Asked, Disk, say, types};

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
