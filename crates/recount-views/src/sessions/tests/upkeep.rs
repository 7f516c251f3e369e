use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use recount_core::{EntryId, Fold as _, Recorded};

use super::super::reader::{at, users};
use super::super::sums::UserRow;
use super::super::{Cut, UserList, UserOrder};
use super::kit::{Fixture, history, session_of, states, step};
use crate::{SessionState, Tokens};

/// What a run of the view does with the next entries.
#[derive(Debug, Clone)]
enum Act {
    /// Takes so many in.
    Take(usize),
    Commit,
    /// Loses what was not committed, as a crash does, and goes on from there.
    RollBack,
    /// Is reopened on what was committed.
    Forget,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1..40_usize).prop_map(Act::Take),
        2 => Just(Act::Commit),
        1 => Just(Act::RollBack),
        1 => Just(Act::Forget),
    ]
}

fn run(entries: &[Recorded], acts: &[Act]) -> Fixture {
    let mut fixture = Fixture::new();
    let (mut committed, mut taken) = (0, 0);
    for act in acts {
        match *act {
            Act::Take(number) => {
                let end = entries.len().min(taken + number);
                fixture.take(&entries[taken..end]);
                taken = end;
            }
            Act::Commit => {
                fixture.commit();
                committed = taken;
            }
            Act::RollBack => {
                fixture.projection.roll_back().unwrap();
                taken = committed;
            }
            Act::Forget => {
                // After a commit it is as if it was opened anew.
                fixture.commit();
                fixture.projection.roll_back().unwrap();
                committed = taken;
            }
        }
    }
    fixture.take(&entries[taken..]);
    fixture.commit();
    fixture
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn rows_do_not_depend_on_when_they_are_written(
        steps in prop::collection::vec(step(5), 1..400),
        acts in prop::collection::vec(act(), 0..24),
    ) {
        let entries = history(&steps);
        let once = Fixture::of(&entries);
        prop_assert_eq!(run(&entries, &acts).dump(), once.dump());
        let rows = once.rows();
        for state in states(&entries) {
            let kept = at(&rows, &state.session_id, &Cut::End).unwrap();
            prop_assert_eq!(kept, Some(state));
        }
    }

    #[test]
    fn users_are_what_their_events_add_up_to(steps in prop::collection::vec(step(6), 1..200)) {
        let entries = history(&steps);
        let fixture = Fixture::of(&entries);
        let list = UserList { order: UserOrder::Name, ..UserList::default() };
        let listed = users::list(&fixture.rows(), &list).unwrap();
        let expected = users_by_hand(&entries);
        prop_assert_eq!(listed.users.len(), expected.len());
        for (row, (user, sum)) in listed.users.iter().zip(expected) {
            prop_assert_eq!(&row.user_id, &user);
            prop_assert!((row.cost - sum.cost).abs() < 1e-6);
            prop_assert_eq!(row, &UserRow { cost: row.cost, ..sum });
        }
    }
}

fn users_by_hand(entries: &[Recorded]) -> BTreeMap<String, UserRow> {
    let mut states: BTreeMap<&str, SessionState> = BTreeMap::new();
    let mut sessions: BTreeSet<(String, &str)> = BTreeSet::new();
    let mut users: BTreeMap<String, UserRow> = BTreeMap::new();
    for entry in entries {
        let session = session_of(entry);
        let before = states
            .entry(session)
            .or_insert_with(|| SessionState::new(session));
        let mut state = before.clone();
        state.apply(entry);
        let old = std::mem::replace(before, state.clone());
        let Some(user) = state.user_id.clone() else {
            continue;
        };
        let inherits = old.own_events == 0 && state.forked_from.is_some();
        let old = if inherits { state.clone() } else { old };
        let row = users.entry(user.clone()).or_insert_with(|| UserRow {
            user_id: user.clone(),
            sessions: 0,
            events: 0,
            messages: 0,
            errors: 0,
            tokens: Tokens::default(),
            cost: 0.0,
            first_happened: None,
            last_happened: None,
            last_recorded: EntryId::MIN,
        });
        let happened = entry.event().unwrap().timestamp;
        row.sessions += u64::from(sessions.insert((user, session)));
        row.events += 1;
        row.messages += state.messages_added - old.messages_added;
        row.errors += state.errors - old.errors;
        row.tokens.input += state.tokens.input - old.tokens.input;
        row.tokens.output += state.tokens.output - old.tokens.output;
        row.tokens.total += state.tokens.total - old.tokens.total;
        row.cost += state.cost - old.cost;
        row.first_happened = Some(
            row.first_happened
                .map_or(happened, |first| first.min(happened)),
        );
        row.last_happened = row.last_happened.max(Some(happened));
        row.last_recorded = row.last_recorded.max(entry.position.entry_id);
    }
    users
}
