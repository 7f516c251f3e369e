//! The engine and the reference, given the same calls at the same time.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use recount_core::{
    AppendError, Batch, Clock, Entry, EntryId, EventLog, Filter, HeldUp, IdRange, Outcome, Query,
    ReadRange, Receipt, Recorded, SessionPage, SessionRead, TrimLimit, TrimRequest, codec,
};

use super::calls::{
    COPIES_FROM, Call, Copied, Draft, End, Limit, Range, Twist, session_name, type_of, user_name,
};
use crate::kit::{self, START_MS, Setup, WINDOW_MS};
use crate::{Engine, MemoryLog, MemoryStream};

/// An engine's log beside the reference.
pub struct Pair<E: Engine> {
    setup: Setup<E>,
    /// None only while it is opened again.
    log: Option<Arc<E::Log>>,
    reference: MemoryLog,
    /// Every id that was given, in order.
    ids: Vec<EntryId>,
    /// The revision of each session.
    revisions: BTreeMap<String, u64>,
    copies: usize,
    /// The millisecond from which on everything is forgotten that was out of the window when a copy came.
    forgotten_from: u64,
}

impl<E: Engine> Pair<E> {
    pub async fn new() -> Self {
        let setup = Setup::new().await;
        let stream = MemoryStream::default();
        let reference = MemoryLog::open(&stream, setup.environment.memory_options());
        Self {
            log: Some(setup.open().await),
            setup,
            reference,
            ids: Vec::new(),
            revisions: BTreeMap::new(),
            copies: 0,
            forgotten_from: 0,
        }
    }

    /// Makes a call on both and compares what comes of it.
    pub async fn make(&mut self, call: Call) {
        match call {
            Call::Append { events, strict } => {
                let events: Vec<_> = events.iter().map(Draft::event).collect();
                let batch = Batch {
                    strict,
                    ..Batch::new(events)
                };
                self.append(batch).await;
            }
            Call::Expect {
                session,
                numbers,
                off,
            } => self.expect(session, &numbers, off).await,
            Call::Copy(entries) => self.copy(&entries).await,
            Call::Trim {
                limit,
                exact,
                dry_run,
            } => {
                let request = TrimRequest {
                    limit: self.limit(limit),
                    exact,
                    dry_run,
                    held_up: HeldUp::Block,
                };
                self.trim(&request).await;
            }
            // A clock that steps back may or may not bring back what was out of the window once.
            Call::Clock(ms) => {
                let ms = self.forgotten_from.max(START_MS + ms);
                self.setup.clock().set(ms);
            }
            Call::Reopen => self.reopen().await,
            Call::Read(range) => self.read(self.range(&range)).await,
            Call::Query {
                range,
                session,
                user,
                types,
            } => {
                let filter = Filter {
                    session_id: session.map(session_name),
                    user_id: user.map(user_name),
                    types: types.into_iter().map(type_of).collect(),
                };
                let range = self.range(&range);
                if let Some(session_id) = &filter.session_id {
                    self.session(&SessionRead::last(session_id, range.limit))
                        .await;
                }
                self.query(Query { range, filter }).await;
            }
        }
        let held = kit::partition(self.log()).await;
        assert_eq!(held, kit::partition(&self.reference).await);
    }

    /// Compares everything the two hold, before and after a restart.
    pub async fn finish(mut self) {
        for _ in 0..2 {
            self.read(ReadRange::all()).await;
            self.read(ReadRange::all().backward()).await;
            self.reopen().await;
        }
        self.log().close().await.expect("closing succeeds");
    }

    async fn reopen(&mut self) {
        let log = self.log.take().expect("the log is open");
        self.log = Some(self.setup.reopen(log).await);
    }

    fn log(&self) -> &E::Log {
        self.log.as_ref().expect("the log is open")
    }

    async fn append(&mut self, batch: Batch) {
        let expected = self.reference.append(batch.clone()).await;
        if let Ok(receipt) = &expected {
            self.note(&batch, receipt);
        }
        let got = self.log().append(batch).await;
        assert_eq!(verdict(got), verdict(expected));
    }

    fn note(&mut self, batch: &Batch, receipt: &Receipt) {
        for (event, outcome) in batch.events.iter().zip(&receipt.outcomes) {
            if let Outcome::Appended { position, revision } = outcome {
                self.ids.push(position.entry_id);
                self.revisions.insert(event.session_id.clone(), *revision);
            }
        }
    }

    async fn expect(&mut self, session: usize, numbers: &[usize], off: u64) {
        let name = session_name(session);
        let events = numbers
            .iter()
            .map(|number| Draft {
                number: *number,
                twist: Twist::Plain,
            })
            .map(|draft| recount_core::Event {
                session_id: name.clone(),
                ..draft.event()
            });
        let at = self.revisions.get(&name).copied().unwrap_or(0);
        let batch = Batch::new(events.collect()).expecting(at + off);
        self.append(batch).await;
    }

    async fn copy(&mut self, copies: &[(u64, u64, Copied)]) {
        let mut last = kit::partition(&self.reference).await.last;
        let mut entries = Vec::new();
        for (ms, seq, kind) in copies {
            last = EntryId::new(last.ms + ms, if *ms > 0 { 0 } else { last.seq } + seq);
            let draft = Draft {
                number: COPIES_FROM + self.copies,
                twist: Twist::Plain,
            };
            self.copies += 1;
            entries.push(match kind {
                Copied::Event => Entry {
                    id: last,
                    fields: codec::encode(&draft.event()),
                    revision: None,
                },
                Copied::Flat => Entry {
                    id: last,
                    fields: kit::fields(&[
                        ("type", "tool.called"),
                        ("session_id", "s1"),
                        ("note", "flat"),
                    ]),
                    revision: None,
                },
                Copied::Noise => kit::noise(last),
            });
        }
        let now = self.setup.clock().now_ms().max(last.ms);
        let ids = self.ids.iter().copied();
        let ids = ids.chain(entries.iter().map(|entry| entry.id));
        let forgotten = ids.map(|id| id.ms + WINDOW_MS).filter(|ms| *ms <= now);
        self.forgotten_from = forgotten.fold(self.forgotten_from, u64::max);
        let expected = self.reference.append_with_ids(entries.clone()).await;
        if let Ok(receipt) = &expected {
            self.ids.extend(entries.iter().map(|entry| entry.id));
            for (entry, outcome) in entries.iter().zip(&receipt.outcomes) {
                let decoded = codec::decode(entry.id, entry.fields.clone());
                if let (recount_core::Body::Event(event), Outcome::Appended { revision, .. }) =
                    (decoded, outcome)
                {
                    self.revisions.insert(event.session_id, *revision);
                }
            }
        }
        let got = self.log().append_with_ids(entries).await;
        assert_eq!(verdict(got), verdict(expected));
    }

    fn limit(&self, limit: Limit) -> TrimLimit {
        match limit {
            Limit::Length(length) => TrimLimit::MaxLength(length),
            Limit::Position(number) => TrimLimit::MinId(self.id(number)),
            Limit::AgeMs(age) => {
                // The prose leaves open whether age counts from the clock or from the last entry
                // where that is ahead, so it is not.
                let last = self.ids.last().map_or(0, |id| id.ms);
                let clock = self.setup.clock();
                clock.set(clock.now_ms().max(last));
                TrimLimit::MaxAgeMs(age)
            }
        }
    }

    async fn trim(&self, request: &TrimRequest) {
        let got = self.log().trim(request).await.expect("the trim succeeds");
        if request.exact {
            let expected = self.reference.trim(request).await;
            assert_eq!(Ok(got), expected);
            return;
        }
        // How far an approximate trim goes is the engine's choice, within the exact one.
        let exactly = TrimRequest {
            exact: true,
            dry_run: true,
            ..request.clone()
        };
        let most = self.reference.trim(&exactly).await;
        let most = most.expect("the trim succeeds").removed;
        assert!(got.removed <= most, "{} of {most}", got.removed);
        if !request.dry_run {
            let limit = got.first.map_or(TrimLimit::MaxLength(0), TrimLimit::MinId);
            let same = self.reference.trim(&TrimRequest::exact(limit)).await;
            assert_eq!(same, Ok(got));
        }
    }

    async fn read(&self, range: ReadRange) {
        let got = kit::read_pages(self.log(), range.clone()).await;
        let expected = kit::read_pages(&self.reference, range.clone()).await;
        let comparable = |pages: Vec<recount_core::Page>| -> Vec<_> {
            let entries = pages.into_iter().map(|page| page.entries);
            entries.map(comparable).collect()
        };
        assert_eq!(comparable(got), comparable(expected), "{range:?}");
    }

    async fn query(&self, query: Query) {
        let got = kit::query(self.log(), query.clone()).await;
        let expected = kit::query(&self.reference, query.clone()).await;
        assert_eq!(comparable(got), comparable(expected), "{query:?}");
    }

    async fn session(&self, read: &SessionRead) {
        let got = self.log().session(read).await;
        let expected = self.reference.session(read).await;
        let comparable = |page: Result<SessionPage, _>| {
            page.map(|page| SessionPage {
                entries: comparable(page.entries),
                ..page
            })
        };
        assert_eq!(comparable(got), comparable(expected), "{read:?}");
    }

    fn range(&self, range: &Range) -> ReadRange {
        let end = |end| match end {
            End::Open => Bound::Unbounded,
            End::Included(number) => Bound::Included(self.id(number)),
            End::Excluded(number) => Bound::Excluded(self.id(number)),
        };
        let (start, end) = (end(range.start), end(range.end));
        let ids = ReadRange::new(IdRange { start, end }).limit(range.limit);
        if range.backward { ids.backward() } else { ids }
    }

    /// One of the ids that were given; the first number beyond them is the id after the last.
    fn id(&self, number: usize) -> EntryId {
        let number = number % (self.ids.len() + 1);
        let beyond = || self.ids.last().and_then(|id| id.next());
        let id = self.ids.get(number).copied().or_else(beyond);
        id.unwrap_or(EntryId::MIN)
    }
}

fn comparable(entries: Vec<Recorded>) -> Vec<Recorded> {
    entries.into_iter().map(kit::comparable).collect()
}

fn verdict(result: Result<Receipt, AppendError>) -> Result<Vec<Outcome>, AppendError> {
    result.map(|receipt| receipt.outcomes)
}
