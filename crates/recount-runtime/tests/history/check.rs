//! What must hold of every history.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use recount_core::{EntryId, Partition, Position};
use recount_runtime::Reason;

use crate::handler::number;
use crate::history::{Ended, Group, Instance, Moment, What};
use crate::plan::Kind;
use crate::round::Outcomes;

/// Everything that is wrong with a round; empty if nothing is.
pub fn complaints(outcomes: &Outcomes) -> String {
    let facts = Facts::of(outcomes);
    let mut checked = Checked {
        outcomes,
        facts,
        text: String::new(),
        count: 0,
    };
    for complaint in &outcomes.complaints {
        checked.say(complaint);
    }
    for group in 0..outcomes.plan.groups.len() {
        checked.group(group);
    }
    checked.letters();
    checked.text
}

/// More than these are not told.
const TOLD: usize = 5;

struct Checked<'a> {
    outcomes: &'a Outcomes,
    facts: Facts<'a>,
    text: String,
    count: usize,
}

/// What is known of the entries of a round.
struct Facts<'a> {
    /// The number and the session of each entry; none for what is no event.
    entries: BTreeMap<Position, Option<(u64, &'a str)>>,
    /// What was trimmed by force, whoever needed it.
    trimmed: BTreeMap<Partition, EntryId>,
}

impl<'a> Facts<'a> {
    fn of(outcomes: &'a Outcomes) -> Self {
        let mut entries = BTreeMap::new();
        let mut trimmed = BTreeMap::new();
        for record in &outcomes.records {
            match &record.what {
                What::Published {
                    position,
                    number,
                    session,
                } => {
                    entries.insert(*position, number.zip(session.as_deref()));
                }
                What::Trimmed { first } => {
                    trimmed.insert(first.partition, first.entry_id);
                }
                _ => {}
            }
        }
        Self { entries, trimmed }
    }

    fn is_trimmed(&self, position: Position) -> bool {
        let first = self.trimmed.get(&position.partition);
        first.is_some_and(|first| position.entry_id < *first)
    }

    fn session(&self, position: Position) -> Option<&'a str> {
        self.entries
            .get(&position)
            .copied()
            .flatten()
            .map(|(_, session)| session)
    }

    /// The earlier entries of the same session.
    fn before(&self, position: Position) -> Vec<Position> {
        let Some(session) = self.session(position) else {
            return Vec::new();
        };
        let start = Position {
            entry_id: EntryId::MIN,
            ..position
        };
        self.entries
            .range(start..position)
            .filter(|(_, known)| known.is_some_and(|(_, other)| other == session))
            .map(|(position, _)| *position)
            .collect()
    }
}

/// What a group has seen of an entry so far.
#[derive(Default)]
struct Seen {
    /// To whom it was delivered, and when that was asked for.
    delivered: Vec<(Instance, Moment, Moment)>,
    begun: Option<Moment>,
    failed: u64,
    /// Who handled it, and when that was done.
    handled: Vec<(Instance, Moment)>,
    lettered: Option<Moment>,
    requeued: Option<Moment>,
    /// Who acknowledged it, when that was sent and when it was known.
    acked: Vec<(Instance, Moment, Moment)>,
}

impl Seen {
    /// Whether the group is done with it, or was once.
    fn is_done(&self) -> bool {
        !self.handled.is_empty() || self.lettered.is_some() || !self.acked.is_empty()
    }

    /// Whether an open letter stands for it.
    fn is_dead(&self) -> bool {
        self.lettered
            .is_some_and(|at| self.requeued.is_none_or(|requeued| requeued < at))
    }

    fn last_delivered_to(&self) -> Option<Instance> {
        self.delivered.last().map(|(instance, ..)| *instance)
    }

    /// Whether others had it since an instance was done with it.
    fn changed_hands(&self, instance: Instance, since: Moment) -> bool {
        self.delivered
            .iter()
            .any(|(other, _, at)| *other != instance && *at > since)
    }
}

impl Checked<'_> {
    fn say(&mut self, complaint: impl AsRef<str>) {
        self.count += 1;
        if self.count <= TOLD {
            let _ = writeln!(self.text, "- {}", complaint.as_ref());
        }
    }

    /// Says what is wrong with an entry, and all that happened to it and to its session with the group.
    fn say_of(&mut self, group: Group, position: Position, complaint: &str) {
        self.say(format!("group {group}, entry {position}: {complaint}"));
        if self.count > TOLD {
            return;
        }
        let session = self.facts.session(position);
        for (moment, record) in self.outcomes.records.iter().enumerate() {
            let of_group = record.what.group().is_none_or(|of| of == group);
            let of_session = record.what.position().is_none_or(|at| {
                at == position || (session.is_some() && self.facts.session(at) == session)
            });
            if of_group && of_session {
                let _ = writeln!(self.text, "    {moment:>6}  {record}");
            }
        }
    }

    /// Goes through what happened in a group, in order.
    fn group(&mut self, group: Group) {
        let mut seen: BTreeMap<Position, Seen> = BTreeMap::new();
        let mut at_work: BTreeSet<(Instance, Position)> = BTreeSet::new();
        let mut destroyed = None;
        let records = &self.outcomes.records;
        for (moment, record) in records.iter().enumerate() {
            if record.what.group() != Some(group) {
                continue;
            }
            let at = record.what.position();
            match &record.what {
                What::Delivered {
                    instance,
                    position,
                    asked,
                    ..
                } => {
                    let entry = seen.entry(*position).or_default();
                    let acked = entry.acked.iter().any(|(_, _, at)| at <= asked);
                    let again = entry.requeued > entry.acked.last().map(|(_, at, _)| *at);
                    entry.delivered.push((*instance, *asked, moment));
                    if acked && !again && destroyed.is_none() {
                        self.say_of(group, *position, "delivered after it was acknowledged");
                    }
                }
                What::Begun {
                    instance, position, ..
                } => {
                    self.begun(group, *instance, *position, &seen, &at_work, destroyed);
                    at_work.insert((*instance, *position));
                    let entry = seen.entry(*position).or_default();
                    entry.begun.get_or_insert(moment);
                }
                What::Ended {
                    instance,
                    position,
                    outcome,
                    ..
                } => {
                    at_work.remove(&(*instance, *position));
                    let entry = seen.entry(*position).or_default();
                    match outcome {
                        Ended::Handled => entry.handled.push((*instance, moment)),
                        Ended::Failed | Ended::Dropped => entry.failed += 1,
                    }
                }
                What::Voided {
                    instance, position, ..
                } => {
                    let entry = seen.entry(*position).or_default();
                    entry.failed += 1;
                    let last = entry.handled.iter().rposition(|(by, _)| by == instance);
                    if let Some(last) = last {
                        entry.handled.remove(last);
                    }
                }
                What::Acked {
                    instance,
                    position,
                    asked,
                    ..
                } => {
                    let trimmed = self.facts.is_trimmed(*position);
                    let entry = seen.entry(*position).or_default();
                    let done = entry.is_done();
                    entry.acked.push((*instance, *asked, moment));
                    if !done && !trimmed {
                        self.say_of(group, *position, "acknowledged before it was handled");
                    }
                }
                What::Lettered { .. } => {
                    seen.entry(at.expect("it has one")).or_default().lettered = Some(moment);
                }
                What::Requeued { .. } => {
                    seen.entry(at.expect("it has one")).or_default().requeued = Some(moment);
                }
                What::Destroyed { .. } => destroyed = Some(moment),
                _ => {}
            }
        }
        self.finished(group, &seen, destroyed);
    }

    /// A handler begins with an entry.
    fn begun(
        &mut self,
        group: Group,
        instance: Instance,
        position: Position,
        seen: &BTreeMap<Position, Seen>,
        at_work: &BTreeSet<(Instance, Position)>,
        destroyed: Option<Moment>,
    ) {
        let plan = &self.outcomes.plan.groups[group];
        let session = self.facts.session(position);
        let beside = at_work.iter().find(|(other, at)| {
            *other == instance && session.is_some() && self.facts.session(*at) == session
        });
        if let Some((_, other)) = beside {
            let complaint = format!("begun beside {other} of its session");
            self.say_of(group, position, &complaint);
        }
        let empty = Seen::default();
        let entry = seen.get(&position).unwrap_or(&empty);
        // The same entry may come again from a group that was created again, in any order.
        if destroyed.is_some() {
            return;
        }
        let calm = self.outcomes.plan.kind == Kind::Calm;
        let acked = entry.acked.iter().any(|(by, asked, _)| {
            let requeued = entry.requeued.is_some_and(|at| at > *asked);
            let had_before = entry
                .delivered
                .iter()
                .any(|(to, at, _)| *to == instance && at < asked);
            !requeued && (calm || *by == instance || !had_before)
        });
        if acked {
            self.say_of(group, position, "begun after it was acknowledged");
        }
        let handled = entry.handled.iter().any(|(by, at)| {
            *by == instance
                && !entry.changed_hands(instance, *at)
                && entry.requeued.is_none_or(|requeued| requeued < *at)
        });
        if handled {
            self.say_of(group, position, "begun again by who has handled it");
        }
        for other in self.facts.before(position) {
            if self.facts.is_trimmed(other) {
                continue;
            }
            let earlier = seen.get(&other).unwrap_or(&empty);
            if plan.ordered && entry.begun.is_none() && !earlier.is_done() {
                let complaint = format!("begun before {other} of its session was done with");
                self.say_of(group, position, &complaint);
                return;
            }
            if plan.ordered && plan.in_sequence && earlier.is_dead() && entry.begun.is_none() {
                let complaint = format!("begun although {other} of its session is a dead letter");
                self.say_of(group, position, &complaint);
                return;
            }
            let got = |seen: &Seen| {
                let last = seen.delivered.iter().rfind(|(to, ..)| *to == instance);
                last.map(|(_, _, at)| *at)
            };
            let (Some(first), Some(second)) = (got(earlier), got(entry)) else {
                continue;
            };
            let own = earlier.last_delivered_to() == Some(instance);
            let stood = first < second && own && !earlier.is_done();
            if stood {
                let complaint =
                    format!("begun before {other} of its session, which the consumer has");
                self.say_of(group, position, &complaint);
                return;
            }
        }
    }

    /// What must have become of everything in the end.
    fn finished(
        &mut self,
        group: Group,
        seen: &BTreeMap<Position, Seen>,
        destroyed: Option<Moment>,
    ) {
        let empty = Seen::default();
        let positions: Vec<_> = self.facts.entries.keys().copied().collect();
        for position in positions {
            if self.facts.is_trimmed(position) {
                continue;
            }
            let entry = seen.get(&position).unwrap_or(&empty);
            // What was delivered and not done with when the group was destroyed is known to its consumers
            // alone, and they may be gone.
            let unknown = destroyed.is_some_and(|destroyed| {
                entry
                    .delivered
                    .first()
                    .is_some_and(|(_, at, _)| *at < destroyed)
            });
            if unknown {
                continue;
            }
            let since = entry.requeued.unwrap_or(0);
            let handled = entry.handled.iter().any(|(_, at)| *at >= since);
            let lettered = entry.lettered.is_some_and(|at| at >= since);
            if !handled && !lettered {
                self.say_of(group, position, "neither handled nor a dead letter");
            }
        }
    }

    fn letters(&mut self) {
        let outcomes = self.outcomes;
        for (group, position, letter) in &outcomes.letters {
            let Some(letter) = letter else {
                self.say_of(*group, *position, "its letter is lost");
                continue;
            };
            let known = self.facts.entries.get(position).copied().flatten();
            let trimmed = self.facts.is_trimmed(*position);
            let event = letter.event();
            let held = event.as_ref().map(|event| number(event.id.as_str()));
            if held != known.map(|(number, _)| number) && !trimmed {
                let complaint = format!("its letter holds another event: {held:?}");
                self.say_of(*group, *position, &complaint);
            }
            if letter.entry.is_none() && !trimmed {
                self.say_of(*group, *position, "its letter does not hold it");
            }
            let why = self.wrong_reason(*group, *position, letter.reason, known);
            if let Some(why) = why {
                let complaint = format!("a dead letter ({:?}), but {why}", letter.reason);
                self.say_of(*group, *position, &complaint);
            }
        }
    }

    /// Why an entry should not have become a dead letter.
    fn wrong_reason(
        &self,
        group: Group,
        position: Position,
        reason: Reason,
        known: Option<(u64, &str)>,
    ) -> Option<&'static str> {
        let plan = &self.outcomes.plan;
        let Some((number, _)) = known else {
            return (reason != Reason::Undecodable).then_some("it is no event");
        };
        match reason {
            Reason::Undecodable => Some("it is an event"),
            Reason::InSequence => {
                let dead = |at| {
                    self.outcomes
                        .letters
                        .iter()
                        .any(|(g, p, _)| (*g, *p) == (group, at))
                };
                let allowed = plan.groups[group].in_sequence
                    && self.facts.before(position).into_iter().any(dead);
                (!allowed).then_some("none before it in its session is one")
            }
            _ => {
                let temper = self.outcomes.plan.tempers.get(&number);
                let max = plan.groups[group].max_deliveries;
                let good = temper.is_none_or(|temper| temper.succeeds_within(max));
                if !good {
                    return None;
                }
                if plan.kind == Kind::Deadly {
                    return Some("another one killed its consumers");
                }
                let tries = self.tries(group, position);
                (tries <= max).then_some("it was not tried often enough")
            }
        }
    }

    /// How often an entry was delivered or failed.
    fn tries(&self, group: Group, position: Position) -> u64 {
        let records = self.outcomes.records.iter();
        let counts = records.filter(|record| {
            record.what.group() == Some(group)
                && record.what.position() == Some(position)
                && matches!(
                    record.what,
                    What::Delivered { .. }
                        | What::Voided { .. }
                        | What::Ended {
                            outcome: Ended::Failed | Ended::Dropped,
                            ..
                        }
                )
        });
        counts.count() as u64
    }
}
