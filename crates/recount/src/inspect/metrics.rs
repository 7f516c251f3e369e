//! A range of a log in a few figures.

mod calls;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use recount_core::{Event, EventType, Recorded, Timestamp};
use recount_views::{Question, Term};
use serde::Serialize;

use super::{FindError, Finder};
use calls::Calls;

/// What a question finds, in figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventMetrics {
    /// How many events there are.
    pub events: u64,
    /// How many entries are no events. They count in nothing else.
    pub undecodable: u64,
    /// Over which time the rate is.
    pub span: Option<MetricsSpan>,
    /// Events by the length of the span; none where it has no length.
    pub events_per_second: Option<f64>,
    /// How long tools and searches took.
    pub latency: CallLatency,
    /// How many events are errors: `error.occurred`.
    pub errors: u64,
    /// The share of errors among the events; none where there are no events.
    pub error_rate: Option<f64>,
    /// How many sessions have an event among them.
    pub active_sessions: u64,
    /// How many users have one.
    pub active_users: u64,
    /// The most frequent types, the most frequent first.
    pub top_types: Vec<TypeCount>,
}

/// A time, and what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MetricsSpan {
    /// Whether it is about when events were recorded (where the question has such a bound), not when they
    /// happened.
    pub recorded: bool,
    /// Its begin: the question's bound, or the first event.
    #[serde(serialize_with = "printed")]
    pub from: Timestamp,
    /// Its end: the question's bound, but not later than now; now where only the begin is bounded; else the last
    /// event.
    #[serde(serialize_with = "printed")]
    pub to: Timestamp,
}

/// How long calls took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct CallLatency {
    /// How many of them tell.
    pub calls: u64,
    /// Their mean, in milliseconds; none without any.
    pub average_ms: Option<f64>,
}

/// A type and how often it occurs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TypeCount {
    /// The type's name.
    #[serde(rename = "type")]
    pub name: String,
    /// How many events are of it.
    pub count: u64,
}

fn printed<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

/// Types that are told of at most, and that are counted one by one.
const TOP_MAX: usize = 10;
const TYPES_MAX: usize = 10_000;

impl Finder {
    /// What the question finds, in figures. Everything that it finds is looked at, once.
    pub async fn metrics(&mut self, now: Timestamp) -> Result<EventMetrics, FindError> {
        let mut all = self.everything().await?;
        let mut sums = Sums::default();
        while let Some(page) = all.next().await? {
            for recorded in &page {
                sums.take(recorded);
            }
        }
        Ok(sums.figures(Bounds::of(self.question()), now))
    }
}

/// What is kept while events go by. Of sessions and users a hash each.
#[derive(Default)]
struct Sums {
    events: u64,
    undecodable: u64,
    errors: u64,
    /// The first and the last, recorded and happened.
    recorded: Option<(Timestamp, Timestamp)>,
    happened: Option<(Timestamp, Timestamp)>,
    hasher: RandomState,
    sessions: HashSet<u64>,
    users: HashSet<u64>,
    types: HashMap<EventType, u64>,
    calls: Calls,
}

impl Sums {
    fn take(&mut self, recorded: &Recorded) {
        let Some(event) = recorded.event() else {
            self.undecodable += 1;
            return;
        };
        self.events += 1;
        let at = Timestamp::saturating_from_millis(recorded.position.entry_id.ms);
        widen(&mut self.recorded, at);
        widen(&mut self.happened, event.timestamp);
        self.sessions
            .insert(self.hasher.hash_one(&event.session_id));
        if let Some(user) = &event.user_id {
            self.users.insert(self.hasher.hash_one(user));
        }
        self.errors += u64::from(event.event_type == EventType::ErrorOccurred);
        self.count_type(event);
        self.calls.take(event);
    }

    fn count_type(&mut self, event: &Event) {
        if let Some(count) = self.types.get_mut(&event.event_type) {
            *count += 1;
        } else if self.types.len() < TYPES_MAX {
            self.types.insert(event.event_type.clone(), 1);
        }
    }

    fn figures(self, bounds: Bounds, now: Timestamp) -> EventMetrics {
        let span = bounds.span(self.recorded, self.happened, now);
        let seconds = span.map(|span| {
            let ms = span.to.as_millis().saturating_sub(span.from.as_millis());
            ms as f64 / 1_000.0
        });
        let mut top: Vec<_> = self.types.into_iter().collect();
        top.sort_unstable_by(|(name, count), (other, others)| {
            others
                .cmp(count)
                .then_with(|| name.as_str().cmp(other.as_str()))
        });
        top.truncate(TOP_MAX);
        let counted = |(name, count): (EventType, u64)| TypeCount {
            name: name.to_string(),
            count,
        };
        EventMetrics {
            events: self.events,
            undecodable: self.undecodable,
            span,
            events_per_second: seconds
                .filter(|&seconds| seconds > 0.0)
                .map(|seconds| self.events as f64 / seconds),
            latency: self.calls.latency(),
            errors: self.errors,
            error_rate: (self.events > 0).then(|| self.errors as f64 / self.events as f64),
            active_sessions: self.sessions.len() as u64,
            active_users: self.users.len() as u64,
            top_types: top.into_iter().map(counted).collect(),
        }
    }
}

fn widen(span: &mut Option<(Timestamp, Timestamp)>, at: Timestamp) {
    *span = Some(match *span {
        None => (at, at),
        Some((first, last)) => (first.min(at), last.max(at)),
    });
}

/// The times that a question names.
#[derive(Debug, Clone, Copy, Default)]
struct Bounds {
    recorded: (Option<Timestamp>, Option<Timestamp>),
    happened: (Option<Timestamp>, Option<Timestamp>),
}

impl Bounds {
    fn of(question: &Question) -> Self {
        let mut bounds = Self::default();
        let time = |id: recount_core::EntryId| Timestamp::saturating_from_millis(id.ms);
        for clause in &question.clauses {
            let (recorded, happened) = (&mut bounds.recorded, &mut bounds.happened);
            match (&clause.term, clause.negated) {
                (Term::Since(id), false) | (Term::Until(id), true) => {
                    recorded.0 = recorded.0.max(Some(time(*id)));
                }
                (Term::Until(id), false) | (Term::Since(id), true) => {
                    recorded.1 = Some(earlier(recorded.1, time(*id)));
                }
                (Term::HappenedSince(at), false) | (Term::HappenedUntil(at), true) => {
                    happened.0 = happened.0.max(Some(*at));
                }
                (Term::HappenedUntil(at), false) | (Term::HappenedSince(at), true) => {
                    happened.1 = Some(earlier(happened.1, *at));
                }
                _ => {}
            }
        }
        bounds
    }

    /// The time over which a rate is, of events that were recorded and happened from the first to the last;
    /// none where there are neither events nor bounds.
    fn span(
        self,
        recorded: Option<(Timestamp, Timestamp)>,
        happened: Option<(Timestamp, Timestamp)>,
        now: Timestamp,
    ) -> Option<MetricsSpan> {
        let by_recorded = self.recorded != (None, None);
        let ((since, until), events) = if by_recorded {
            (self.recorded, recorded)
        } else {
            (self.happened, happened)
        };
        let from = since.or(events.map(|(first, _)| first))?;
        let to = match (since, until) {
            (_, Some(until)) => until.min(now),
            (Some(_), None) => now,
            (None, None) => events?.1,
        };
        Some(MetricsSpan {
            recorded: by_recorded,
            from,
            to: to.max(from),
        })
    }
}

fn earlier(one: Option<Timestamp>, other: Timestamp) -> Timestamp {
    one.map_or(other, |one| one.min(other))
}
