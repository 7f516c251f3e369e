//! What the stream must hold.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use recount_conformance::{MemoryLog, MemoryOptions, MemoryStream};
use recount_core::{
    AppendError, Batch, Body, Clock, Entry, EntryId, EventLog, IdRange, Limits, ManualClock,
    Outcome, ReadRange, Recorded, TimestampSource, TrimLimit, TrimRequest,
};

/// The entries that the stream holds or held, and what is not known about it.
///
/// What becomes of an append is asked of the reference engine. It can be set back: the appends
/// that took effect are kept, and made again up to where a power failure left the stream.
pub struct Model {
    window: Duration,
    clock: Arc<ManualClock>,
    reference: MemoryLog,
    /// Everything that is in the stream or was trimmed, oldest first.
    pub entries: Vec<Recorded>,
    pub revisions: HashMap<String, u64>,
    /// How many of them are trimmed.
    pub trimmed: usize,
    /// So many of them survive a power failure.
    pub durable: usize,
    /// What made the entries, with how many there were afterwards.
    history: Vec<(Change, usize)>,
    /// What may have taken effect, in order.
    doubtful: Vec<Change>,
    /// How far a trim may have gone, and whether it stopped early if it did.
    doubtful_trim: Option<(usize, bool)>,
}

/// Something that adds entries.
#[derive(Debug, Clone)]
pub struct Change {
    pub what: What,
    /// What the clock showed.
    pub now_ms: u64,
}

#[derive(Debug, Clone)]
pub enum What {
    Append(Batch),
    Copy(Vec<Entry>),
}

impl Model {
    pub fn new(window: Duration) -> Self {
        let clock = Arc::new(ManualClock::default());
        Self {
            reference: reference(window, &clock),
            window,
            clock,
            entries: Vec::new(),
            revisions: HashMap::new(),
            trimmed: 0,
            durable: 0,
            history: Vec::new(),
            doubtful: Vec::new(),
            doubtful_trim: None,
        }
    }

    pub fn retained(&self) -> &[Recorded] {
        &self.entries[self.trimmed..]
    }

    pub fn last(&self) -> EntryId {
        let last = self.entries.last();
        last.map_or(EntryId::MIN, |last| last.position.entry_id)
    }

    /// Whether so many entries are there after some batch, so that none is there in part.
    pub fn ends_at(&self, added: usize) -> bool {
        added == 0 || self.history.iter().any(|(_, end)| *end == added)
    }

    /// Makes a change, and says what the stream must answer.
    pub async fn apply(&mut self, change: Change) -> Result<Vec<Outcome>, AppendError> {
        self.clock.set(change.now_ms);
        let receipt = match change.what.clone() {
            What::Append(batch) => self.reference.append(batch).await,
            What::Copy(entries) => self.reference.append_with_ids(entries).await,
        }?;
        let mut range = ReadRange::new(IdRange {
            start: Bound::Excluded(self.last()),
            end: Bound::Unbounded,
        });
        range.limit = receipt.appended();
        let added = self.reference.read(&range).await;
        let added = added.expect("the reference reads").entries;
        assert_eq!(added.len(), receipt.appended(), "it fits a page");
        for recorded in added {
            if let Some(event) = recorded.event() {
                let session = event.session_id.clone();
                self.revisions.insert(session, recorded.revision);
            }
            self.entries.push(comparable(recorded));
        }
        if receipt.appended() > 0 {
            self.history.push((change, self.entries.len()));
        }
        Ok(receipt.outcomes)
    }

    /// A change that may take effect or not.
    pub fn doubt(&mut self, change: Change) {
        self.doubtful.push(change);
    }

    /// A trim up to `target` that may take effect or not.
    pub fn doubt_trim(&mut self, target: usize, exact: bool) {
        if target > self.trimmed {
            self.doubtful_trim = Some((target, exact));
        }
    }

    /// Everything before `target` is gone.
    pub async fn trim_to(&mut self, target: usize) {
        self.trimmed = target;
        let left = self.entries.len() - target;
        let request = TrimRequest::exact(TrimLimit::MaxLength(left as u64));
        let done = self.reference.trim(&request).await;
        done.expect("the reference trims");
        // A floor on stable storage never speaks of what is not.
        self.durable = self.durable.max(target);
    }

    /// Whether the stream may begin after so many entries.
    pub fn may_begin_at(&self, trimmed: usize) -> bool {
        trimmed == self.trimmed
            || self.doubtful_trim.is_some_and(|(target, exact)| {
                trimmed == target || (!exact && (self.trimmed..=target).contains(&trimmed))
            })
    }

    /// Takes what was found for the truth: `added` entries were ever added. At least `required`
    /// must be there, and whole batches only.
    pub async fn settle(&mut self, added: usize, required: usize) {
        assert!(
            added >= required,
            "{added} entries are left of {required} that must be"
        );
        if added < self.entries.len() {
            assert!(self.ends_at(added), "a batch is there in part: {added}");
            assert!(
                self.trimmed <= added,
                "{} entries were trimmed, now only {added} were ever added",
                self.trimmed
            );
            self.set_back(added).await;
            self.doubtful.clear();
        }
        for change in std::mem::take(&mut self.doubtful) {
            if self.entries.len() == added {
                break;
            }
            let answer = self.apply(change.clone()).await;
            assert!(
                self.entries.len() <= added,
                "a batch is there in part: {added} entries, {answer:?}"
            );
        }
        assert_eq!(
            added,
            self.entries.len(),
            "something is there that nobody appended"
        );
    }

    /// The stream begins after so many entries, for good.
    pub async fn settle_trim(&mut self, trimmed: usize) {
        assert!(
            self.may_begin_at(trimmed),
            "{trimmed} entries are trimmed, not {} (in doubt: {:?})",
            self.trimmed,
            self.doubtful_trim
        );
        self.doubtful_trim = None;
        if trimmed > self.trimmed {
            self.trim_to(trimmed).await;
        }
    }

    async fn set_back(&mut self, added: usize) {
        let trimmed = self.trimmed;
        let history = std::mem::take(&mut self.history);
        *self = Self {
            clock: Arc::clone(&self.clock),
            reference: reference(self.window, &self.clock),
            doubtful_trim: self.doubtful_trim,
            doubtful: std::mem::take(&mut self.doubtful),
            durable: added,
            ..Self::new(self.window)
        };
        for (change, end) in history {
            if end > added {
                break;
            }
            self.apply(change).await.expect("it was appended before");
            assert_eq!(self.entries.len(), end, "the same is appended again");
        }
        self.trim_to(trimmed).await;
    }

    /// How many entries, from the first ever added, lie beyond a limit.
    pub fn target(&self, limit: TrimLimit, clock: &dyn Clock) -> usize {
        let below = |id: EntryId| {
            self.entries
                .partition_point(|entry| entry.position.entry_id < id)
        };
        let target = match limit {
            TrimLimit::MaxLength(length) => self.entries.len().saturating_sub(length as usize),
            TrimLimit::MinId(id) => below(id),
            TrimLimit::MaxAgeMs(age) => match clock.now_ms().checked_sub(age) {
                Some(ms) => below(EntryId::new(ms + 1, 0)),
                None => 0,
            },
        };
        target.max(self.trimmed)
    }
}

fn reference(window: Duration, clock: &Arc<ManualClock>) -> MemoryLog {
    let options = MemoryOptions {
        clock: Arc::clone(clock) as _,
        limits: Limits::default(),
        idempotency_window: window,
    };
    MemoryLog::open(&MemoryStream::default(), options)
}

/// Without what an engine may or may not keep: whether a timestamp was filled in.
pub fn comparable(mut recorded: Recorded) -> Recorded {
    if let Body::Event(event) = &mut recorded.body {
        event.timestamp_source = TimestampSource::Given;
    }
    recorded
}
