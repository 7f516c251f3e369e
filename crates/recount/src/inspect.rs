//! Finding events by questions: sorted, in pages, counted.

mod candidates;
mod cursor;
mod error;
mod finder;
mod index;
mod keys;
mod metrics;
mod plan;
mod ranking;
#[cfg(test)]
mod tests;

use recount_core::{EntryId, Recorded};
use recount_views::Question;

use crate::Recount;
pub use cursor::{InvalidPageCursor, PageCursor};
pub use error::FindError;
pub use finder::Finder;
pub use metrics::{CallLatency, EventMetrics, MetricsSpan, TypeCount};

/// What events are sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// When they were recorded: the order of the log. Those of several partitions are merged by entry id.
    #[default]
    Recorded,
    /// When they happened, by their producers' word; of equal ones by when they were recorded. Entries that are
    /// no events count as happened when they were recorded.
    Happened,
    /// How well they fit the words that are looked for, the best first (BM25). Where none are, those recorded
    /// last come first. Reversing it changes nothing. The best 100,000 are all there are.
    Relevance,
}

/// How far a search is that has to look at more than it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looked {
    /// Entries that were looked at.
    pub entries: u64,
    /// The last one of them.
    pub at: EntryId,
}

/// A part of what a question finds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// The entries, sorted.
    pub entries: Vec<Recorded>,
    /// How well each fits; empty where they are sorted by anything else.
    pub scores: Vec<f32>,
    /// Where to go on, later or elsewhere; none at the end. What follows may turn out to be nothing.
    pub next: Option<PageCursor>,
}

impl Recount {
    /// What `question` finds; [`crate::language::parse`] reads one. Nothing is looked for yet.
    ///
    /// Sessions, users, types and ranges are found by the log's own index; words, agents and traces, where no
    /// session is named, by the view `search`, which is brought up to date first. Where there are no views
    /// ([`Recount::views`]), and for what no index has, entries are looked at one after another. The answer is
    /// the same either way: the entries of which [`Question::matches`] is true.
    ///
    /// ```
    /// # use recount::{Event, EventType, Recount, Timestamp, language};
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let recount = Recount::open(&format!("disk:{}", folder.path().display())).await?;
    /// # for session in ["a", "b", "a"] {
    /// #     recount.record(Event::builder(EventType::MessageAdded, session).build()?).await?;
    /// # }
    /// let question = language::parse("session:a type:message.added", Timestamp::now())?;
    /// let mut found = recount.find(&question).limit(1);
    /// let page = found.next_page().await?;
    /// assert_eq!(page.entries.len(), 1);
    ///
    /// let elsewhere = page.next.expect("there is more").to_string();
    /// let mut rest = recount.find(&question).after(elsewhere.parse()?);
    /// assert_eq!(rest.next_page().await?.entries[0].revision, 2);
    /// assert_eq!(recount.find(&question).count().await?, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn find(&self, question: &Question) -> Finder {
        Finder::new(self.clone(), question.clone())
    }
}
