//! What must hold of every history.

mod entry;
mod letters;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use recount_core::Position;

use self::entry::{Facts, Handed, Seen};
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
                    count,
                    ..
                } => {
                    let entry = seen.entry(*position).or_default();
                    let acked = entry.acked.iter().any(|(_, _, at)| at <= asked);
                    let again = entry.requeued > entry.acked.last().map(|(_, at, _)| *at);
                    entry.delivered.push(Handed {
                        to: *instance,
                        asked: *asked,
                        at: moment,
                        count: *count,
                    });
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
                    if *outcome == Ended::Handled {
                        entry.handled.push((*instance, moment));
                    }
                }
                What::Voided {
                    instance, position, ..
                } => {
                    let entry = seen.entry(*position).or_default();
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
                    let entry = seen.entry(at.expect("it has one")).or_default();
                    entry.before = entry.requeued.replace(moment);
                }
                What::Refused { .. } => {
                    let entry = seen.entry(at.expect("it has one")).or_default();
                    entry.requeued = entry.before;
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
                .any(|handed| handed.to == instance && handed.asked < *asked);
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
            let handed = (earlier.handed_to(instance), entry.handed_to(instance));
            let (Some(first), Some(second)) = handed else {
                continue;
            };
            let own = earlier.last_delivered_to() == Some(instance);
            // What others left comes in any order: claims find it so, and answers to claims are lost.
            let fresh = second.count == 1;
            if first.at < second.at && own && fresh && !earlier.is_done() {
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
                    .is_some_and(|handed| handed.asked < destroyed)
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
}
