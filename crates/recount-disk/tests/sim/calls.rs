//! The calls of a schedule, and what each must answer.

use std::ops::Bound;

use bytes::Bytes;
use recount_core::{
    AppendError, Batch, Clock, Cursor, Entry, EntryId, Event, EventLog, Filter, IdRange, Query,
    ReadRange, Receipt, Recorded, TrimError, TrimLimit, TrimRequest, codec,
};
use recount_disk::{DiskLog, SyncMode};

use super::check::{assert_same, check_query, read_all};
use super::model::{Change, What};
use super::plan::{
    Asked, Copied, Draft, Limit, Order, SESSIONS, Trim, event_type, session_name, user_name,
};
use super::run::Run;

impl Run<'_> {
    fn change(&self, what: What) -> Change {
        Change {
            what,
            now_ms: self.clock.now_ms(),
        }
    }

    fn batch(&self, order: &Order) -> Batch {
        let events: Vec<Event> = order.drafts.iter().map(Draft::event).collect();
        let revision = |event: &Event| {
            let revision = self.model.revisions.get(&event.session_id);
            revision.copied().unwrap_or(0)
        };
        let first = events.first().map_or(0, revision);
        Batch {
            strict: order.strict,
            expected_revision: order.expected.map(|beyond| first + beyond),
            events,
        }
    }

    pub async fn append(&mut self, orders: &[Order]) {
        if !self.open().await {
            return;
        }
        let batches: Vec<_> = orders.iter().map(|order| self.batch(order)).collect();
        self.append_batches(batches).await;
    }

    /// Appends batches at the same time, while a follower reads.
    async fn append_batches(&mut self, batches: Vec<Batch>) {
        let Some(log) = &self.writer else { return };
        let before = self.model.entries.len();
        let mut rest = batches.iter().cloned();
        let mut next = || {
            let batch = rest.next();
            async { Some(log.append(batch?).await) }
        };
        let (a, b, c) = (next(), next(), next());
        let reading = async {
            let follower = self.followers.first()?;
            read_all(follower, usize::MAX).await.ok()
        };
        // Polled in this order for the first time, which is the order they reach the writer in.
        let (a, b, c, seen) = tokio::join!(biased; a, b, c, reading);
        for (batch, answer) in batches.into_iter().zip([a, b, c].into_iter().flatten()) {
            let change = self.change(What::Append(batch));
            self.answered(change, answer).await;
        }
        if let Some(seen) = seen
            && !self.faulty
            && !self.stopped
            && !self.is_dead()
        {
            self.check_seen(&seen, before);
        }
    }

    /// What was read while batches were appended ends where one of them does.
    fn check_seen(&self, seen: &[Recorded], before: usize) {
        let added = self.model.trimmed + seen.len();
        assert!(added >= before, "less is seen than was acknowledged");
        assert!(
            self.model.ends_at(added) || added == self.model.trimmed,
            "a batch is seen in part: {added} entries"
        );
        let expected = &self.model.entries[self.model.trimmed..added];
        assert_same(seen, expected, "a read meanwhile");
    }

    /// Compares an answer with the model's.
    async fn answered(&mut self, change: Change, answer: Result<Receipt, AppendError>) {
        match answer {
            Ok(receipt) => {
                let nothing = receipt.outcomes.is_empty();
                assert!(!self.stopped || nothing, "a stopped log appends");
                let outcomes = self.model.apply(change).await;
                assert_eq!(Ok(receipt.outcomes), outcomes);
                assert_eq!(receipt.durability, self.mode.durability());
                if self.mode == SyncMode::Always {
                    self.model.durable = self.model.entries.len();
                }
            }
            // Nothing of it was kept.
            Err(error @ (AppendError::Full { .. } | AppendError::Storage { .. })) => {
                assert!(self.faulty, "appending fails: {error}");
            }
            // Refused before anything was written, whatever came afterwards.
            Err(
                AppendError::Conflict { .. }
                | AppendError::RevisionMismatch { .. }
                | AppendError::SeveralSessions { .. }
                | AppendError::IdNotAbove { .. },
            ) if self.is_dead() => {}
            Err(_) if self.is_dead() => self.model.doubt(change),
            Err(AppendError::Stopped { reason }) => {
                assert!(self.shaken || self.stopped, "the log stops: {reason}");
                if !self.stopped {
                    self.model.doubt(change);
                }
                self.stopping = true;
            }
            Err(error) => {
                let expected = self.model.apply(change).await;
                assert_eq!(Err(error), expected);
            }
        }
    }

    /// Appends the last entries again: none of them is new as long as it is remembered.
    pub async fn append_again(&mut self) {
        if !self.open().await {
            return;
        }
        let entries = &self.model.entries;
        let recent = &entries[entries.len().saturating_sub(60)..];
        let events = recent.iter().filter_map(|entry| entry.event().cloned());
        let batch = Batch::new(events.collect());
        self.append_batches(vec![batch]).await;
    }

    pub async fn copy(&mut self, copies: &[(u64, u64, Copied)]) {
        if !self.open().await {
            return;
        }
        let mut id = self.model.last();
        let entries: Vec<Entry> = copies
            .iter()
            .map(|&(ms, seq, kind)| {
                id = EntryId::new(id.ms + ms, if ms > 0 { 0 } else { id.seq } + seq);
                let fields = match kind {
                    Copied::Event(draft) => codec::encode(&draft.event()),
                    Copied::Flat => ["type", "custom.type", "session_id", "s1", "note", "flat"]
                        .chunks(2)
                        .map(|pair| (Bytes::from(pair[0]), Bytes::from(pair[1])))
                        .collect(),
                    Copied::Noise => vec![(Bytes::from("\0noise"), Bytes::from(vec![0xff; 40]))],
                };
                Entry::new(id, fields)
            })
            .collect();
        let Some(log) = &self.writer else { return };
        let answer = log.append_with_ids(entries.clone()).await;
        let change = self.change(What::Copy(entries));
        self.answered(change, answer).await;
    }

    pub async fn trim(&mut self, trim: Trim) {
        if !self.open().await {
            return;
        }
        let retained = self.model.retained();
        let share = |percent: u64| retained.len() * percent as usize / 100;
        let limit = match trim.limit {
            Limit::Length(percent) => TrimLimit::MaxLength(share(percent) as u64),
            Limit::Id(percent) => TrimLimit::MinId(match retained.get(share(percent)) {
                Some(entry) => entry.position.entry_id,
                None => self.model.last().next().expect("an id after"),
            }),
            Limit::AgeMs(age) => {
                // Age counts from the clock, which is not behind what is recorded then.
                self.clock
                    .set(self.clock.now_ms().max(self.model.last().ms));
                TrimLimit::MaxAgeMs(age)
            }
        };
        let request = TrimRequest {
            exact: trim.exact,
            dry_run: trim.dry_run,
            ..TrimRequest::exact(limit)
        };
        let target = self.model.target(limit, &*self.clock);
        if trim.dry_run && self.stopped {
            // It may show what became of the trim that stopped it.
            return;
        }
        // What a trim would do, anybody can tell.
        let handle = if trim.dry_run {
            self.random.below(4)
        } else {
            0
        };
        let Some(log) = self.handle(handle) else {
            return;
        };
        match log.trim(&request).await {
            Ok(report) => {
                assert!(!self.stopped, "a stopped log trims");
                let reached = self.model.trimmed + report.removed as usize;
                assert!(reached <= target, "too much is trimmed: {report:?}");
                assert!(!trim.exact || reached == target, "{report:?}, not {target}");
                let first = self.model.entries.get(reached);
                assert_eq!(report.first, first.map(|entry| entry.position.entry_id));
                if !trim.dry_run {
                    self.model.trim_to(reached).await;
                }
            }
            Err(_) if self.is_dead() => self.doubt_trim(target, trim),
            Err(TrimError::Stopped { reason }) => {
                assert!(self.shaken || self.stopped, "the log stops: {reason}");
                if !self.stopped {
                    self.doubt_trim(target, trim);
                }
                self.stopping = true;
            }
            // Nothing is trimmed.
            Err(error) => assert!(self.faulty, "trimming fails: {error}"),
        }
    }

    fn doubt_trim(&mut self, target: usize, trim: Trim) {
        if !trim.dry_run {
            self.model.doubt_trim(target, trim.exact);
        }
    }

    /// Waits for the batch's entries on a follower while they are appended.
    pub async fn wait(&mut self, order: &Order) {
        if !self.open().await {
            return;
        }
        let after = Cursor::after(self.model.last());
        let before = self.model.entries.len();
        let Some(waiting) = self.followers.pop() else {
            return self.append(std::slice::from_ref(order)).await;
        };
        let mut wait = Box::pin(waiting.wait(&after));
        let early = tokio::select! {
            biased;
            answer = &mut wait => Some(answer),
            () = tokio::task::yield_now() => None,
        };
        let unknown = self.stopped || self.is_dead();
        assert!(
            unknown || early.is_none_or(|answer| answer.is_err()),
            "a wait ends before anything is there"
        );
        self.append(std::slice::from_ref(order)).await;
        if self.model.entries.len() > before && !self.faulty && !self.is_dead() {
            // No file system tells of a change on a simulated disk; a look at the files does.
            let (waited, _) = tokio::join!(wait, read_all(&waiting, 1));
            waited.expect("the wait ends once an entry is there");
        } else {
            drop(wait);
        }
        self.followers.push(waiting);
    }

    fn handle(&self, number: u64) -> Option<&DiskLog> {
        let logs: Vec<_> = self.writer.iter().chain(&self.followers).collect();
        let at = (number as usize).checked_rem(logs.len())?;
        Some(logs[at])
    }

    pub async fn query(&mut self, asked: &Asked) {
        if self.faulty || self.stopped || (self.writer.is_none() && !self.open().await) {
            return;
        }
        let end = |percent: Option<u64>| match percent {
            Some(percent) => {
                let at = self.model.entries.len() * percent as usize / 100;
                let entry = self.model.entries.get(at);
                Bound::Included(entry.map_or(EntryId::MAX, |entry| entry.position.entry_id))
            }
            None => Bound::Unbounded,
        };
        let ids = IdRange {
            start: end(asked.from),
            end: end(asked.to),
        };
        let range = ReadRange::new(ids).limit(asked.limit);
        let query = Query {
            range: if asked.backward {
                range.backward()
            } else {
                range
            },
            filter: Filter {
                session_id: asked.session.map(session_name),
                user_id: asked.user.map(user_name),
                types: asked.types.iter().copied().map(event_type).collect(),
            },
        };
        self.check_query(asked.handle, &query).await;
    }

    async fn check_query(&self, handle: u64, query: &Query) {
        let Some(log) = self.handle(handle) else {
            return;
        };
        let answer = check_query(log, &self.model, query).await;
        answer.unwrap_or_else(|error| panic!("{query:?}: {error}"));
    }

    /// Asks for every session.
    pub async fn query_each(&mut self) {
        for session in 0..=SESSIONS {
            self.check_query(session, &Query::session(session_name(session)))
                .await;
        }
    }
}
