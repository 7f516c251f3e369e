//! That the checks find what they are for.

use std::time::Duration;

use recount_core::{EntryId, Position};

use super::complaints;
use crate::history::{Ended, Record, What};
use crate::plan::{Kind, Plan};
use crate::round::Outcomes;

/// A history of one group, written by hand: entries 1, 2, ... are of one session.
struct Story(Outcomes);

fn at(entry: u64) -> Position {
    Position {
        partition: 0,
        entry_id: EntryId::new(entry, 0),
    }
}

fn story(entries: u64, ordered: bool) -> Story {
    let mut plan = Plan::of(1, Duration::from_secs(1), 1);
    plan.kind = Kind::Stormy;
    plan.tempers.clear();
    plan.groups.truncate(1);
    plan.groups[0].ordered = ordered;
    plan.groups[0].in_sequence = false;
    let outcomes = Outcomes {
        plan,
        records: Vec::new(),
        letters: Vec::new(),
        complaints: Vec::new(),
    };
    let published = (1..=entries).map(|number| What::Published {
        position: at(number),
        number: Some(number),
        session: Some("s".into()),
    });
    Story(outcomes).then(published)
}

impl Story {
    fn then(mut self, more: impl IntoIterator<Item = What>) -> Self {
        let more = more.into_iter().map(|what| Record { at_ms: 0, what });
        self.0.records.extend(more);
        self
    }

    fn delivered(self, instance: usize, entry: u64) -> Self {
        let asked = self.0.records.len();
        self.then([What::Delivered {
            group: 0,
            instance,
            position: at(entry),
            asked,
            count: 1,
        }])
    }

    fn begun(self, instance: usize, entry: u64) -> Self {
        self.then([What::Begun {
            group: 0,
            instance,
            position: at(entry),
            count: 1,
        }])
    }

    fn ended(self, instance: usize, entry: u64, outcome: Ended) -> Self {
        self.then([What::Ended {
            group: 0,
            instance,
            position: at(entry),
            outcome,
        }])
    }

    fn acked(self, instance: usize, entry: u64) -> Self {
        let asked = self.0.records.len();
        self.then([What::Acked {
            group: 0,
            instance,
            position: at(entry),
            asked,
        }])
    }

    /// All of it, as it should be.
    fn handled(self, instance: usize, entry: u64) -> Self {
        self.delivered(instance, entry)
            .begun(instance, entry)
            .ended(instance, entry, Ended::Handled)
            .acked(instance, entry)
    }

    fn complaints(&self) -> String {
        complaints(&self.0)
    }

    fn must_be(&self, complaint: &str) {
        let complaints = self.complaints();
        assert!(complaints.contains(complaint), "{complaints}");
    }
}

#[test]
fn a_good_history_is_good() {
    let good = story(3, true).handled(1, 1).handled(2, 2).handled(1, 3);
    assert_eq!(good.complaints(), "");
    // A crash, and the same again.
    let crash = story(2, true).delivered(1, 1).begun(1, 1);
    let crash = crash
        .ended(1, 1, Ended::Dropped)
        .then([What::Died { instance: 1 }]);
    assert_eq!(crash.handled(2, 1).handled(2, 2).complaints(), "");
}

#[test]
fn what_nobody_handled_is_missed() {
    story(2, false).handled(1, 1).must_be("neither handled nor");
    let failed = story(1, false).delivered(1, 1).begun(1, 1);
    let failed = failed.ended(1, 1, Ended::Failed);
    failed.must_be("neither handled nor");
}

#[test]
fn acknowledgements_come_last() {
    let early = story(1, false).delivered(1, 1).acked(1, 1);
    early.must_be("acknowledged before it was handled");
    let again = story(1, false).handled(1, 1).begun(1, 1);
    again.must_be("begun after it was acknowledged");
    let elsewhere = story(1, false).handled(1, 1).handled(2, 1);
    elsewhere.must_be("delivered after it was acknowledged");
}

#[test]
fn who_had_it_before_may_be_late() {
    let late = story(1, false).delivered(1, 1).begun(1, 1).delivered(2, 1);
    let late = late.ended(1, 1, Ended::Handled).acked(1, 1);
    let late = late.begun(2, 1).ended(2, 1, Ended::Handled).acked(2, 1);
    assert_eq!(late.complaints(), "");
}

#[test]
fn what_is_handled_is_not_handled_again_for_want_of_an_acknowledgement() {
    let again = story(1, false).delivered(1, 1).begun(1, 1);
    let again = again.ended(1, 1, Ended::Handled).begun(1, 1);
    again.must_be("begun again by who has handled it");
}

#[test]
fn lanes_keep_their_order() {
    let both = story(2, false).delivered(1, 1).delivered(1, 2);
    let inverted = both.begun(1, 2);
    inverted.must_be("which the consumer has");
    let beside = story(2, false).delivered(1, 1).delivered(1, 2);
    beside
        .begun(1, 1)
        .begun(1, 2)
        .must_be("beside 1-0 of its session");
    // Several consumers that share freely may invert, and ordered ones may not.
    let shared = || story(2, false).delivered(1, 1).handled(2, 2).begun(1, 1);
    assert_eq!(shared().ended(1, 1, Ended::Handled).complaints(), "");
    let ordered = story(2, true).delivered(1, 1).handled(2, 2);
    ordered.must_be("before 1-0 of its session was done with");
}

#[test]
fn letters_are_deserved_and_kept() {
    let mut story = story(1, false).delivered(1, 1).then([What::Lettered {
        group: 0,
        position: at(1),
    }]);
    story.0.letters.push((0, at(1), None));
    story.must_be("its letter is lost");
}
