//! What must hold of dead letters.

use recount_core::Position;
use recount_runtime::{LetterState, Reason};

use super::Checked;
use crate::handler::{Temper, number};
use crate::history::{Ended, Group, What};
use crate::plan::Kind;

impl Checked<'_> {
    pub fn letters(&mut self) {
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
            if letter.state == LetterState::Retried
                && !trimmed
                && !self.came_back(*group, *position)
            {
                let complaint = "its letter was closed as retried, and it was not handled since";
                self.say_of(*group, *position, complaint);
            }
            let why = self.wrong_reason(*group, *position, letter.reason, known);
            if let Some(why) = why {
                let complaint = format!("a dead letter ({:?}), but {why}", letter.reason);
                self.say_of(*group, *position, &complaint);
            }
        }
    }

    /// Whether an entry was handled after its last letter was written, or its group was destroyed.
    fn came_back(&self, group: Group, position: Position) -> bool {
        let records = self
            .outcomes
            .records
            .iter()
            .rev()
            .map(|record| &record.what);
        let of_group = records.filter(|what| what.group() == Some(group));
        let mut since = of_group.take_while(
            |what| !matches!(what, What::Lettered { position: at, .. } if *at == position),
        );
        since.any(|what| match what {
            What::Destroyed { .. } => true,
            What::Ended {
                position: at,
                outcome: Ended::Handled,
                ..
            } => *at == position,
            _ => false,
        })
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
                let innocent = matches!(temper, None | Some(Temper::Good | Temper::Slow(_)));
                if plan.kind == Kind::Deadly && innocent {
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
