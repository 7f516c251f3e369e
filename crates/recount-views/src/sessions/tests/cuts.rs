use proptest::prelude::*;
use recount_core::{EntryId, Fold as _, Recorded, Timestamp};

use super::super::Cut;
use super::super::reader::at;
use super::kit::{Fixture, fold, history, of_session, step};
use crate::SessionState;

/// Whether the state after a beginning of the session lies at or before the cut.
fn is_within(state: &SessionState, cut: &Cut) -> bool {
    match *cut {
        Cut::End => true,
        Cut::Revision(revision) => state.revision <= revision,
        Cut::Entry(id) => state.position.is_none_or(|at| at.entry_id <= id),
        Cut::Happened(time) => state.last_happened.is_none_or(|last| last <= time),
    }
}

/// How many of the session's entries lie before the cut.
fn before(session: &str, entries: &[&Recorded], cut: &Cut) -> usize {
    let mut state = SessionState::new(session);
    let mut within = entries.iter().take_while(|entry| {
        state.apply(entry);
        is_within(&state, cut)
    });
    within.by_ref().count()
}

fn cut() -> impl Strategy<Value = Cut> {
    prop_oneof![
        Just(Cut::End),
        (0..300_u64).prop_map(Cut::Revision),
        (0..600_u64).prop_map(|ms| Cut::Entry(EntryId::new(ms, 0))),
        (0..1_000_i64).prop_map(|ms| Cut::Happened(Timestamp::from_millis(ms).unwrap())),
        // Where sessions end up that were fed times at random.
        (990..1_000_i64).prop_map(|ms| Cut::Happened(Timestamp::from_millis(ms).unwrap())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_stored_state_and_the_rest_are_the_state_at_any_cut(
        steps in prop::collection::vec(step(2), 1..600),
        rising: bool,
        cuts in prop::collection::vec(cut(), 1..24),
    ) {
        let mut steps = steps;
        if rising {
            let all = steps.len() as i64;
            for (at, step) in steps.iter_mut().enumerate() {
                step.happened = at as i64 * 1_000 / all;
            }
        }
        let entries = history(&steps);
        let rows = Fixture::of(&entries);
        let rows = rows.rows();
        for session in ["s0", "s1"] {
            let mine = of_session(&entries, session);
            for cut in &cuts {
                let end = before(session, &mine, cut);
                let stored = at(&rows, session, cut).unwrap();
                let begin = stored.as_ref().map_or(0, |state| state.own_events as usize);
                // The newest one that there is.
                let expected = if end == mine.len() { end } else { end / 64 * 64 };
                prop_assert_eq!(begin, expected, "{:?} of {} at {}", cut, mine.len(), end);
                let mut state = stored.unwrap_or_else(|| SessionState::new(session));
                state.apply_all(mine[begin..end].iter().copied());
                prop_assert_eq!(state, fold(session, mine[..end].iter().copied()));
            }
        }
    }
}

#[test]
fn of_a_session_that_is_not_there_there_is_no_state() {
    let fixture = Fixture::of(&[]);
    for cut in [Cut::End, Cut::Revision(7), Cut::Entry(EntryId::MAX)] {
        assert_eq!(at(&fixture.rows(), "s0", &cut), Ok(None));
    }
}
