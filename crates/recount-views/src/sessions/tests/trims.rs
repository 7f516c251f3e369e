use recount_core::EntryId;

use super::super::reader::{at, list, users};
use super::super::{Cut, SessionList, UserList};
use super::kit::{Fixture, Step, history};

/// `s0` and `s2` in partition 0, `s1` in partition 1; `s0` names two users.
fn steps() -> Vec<Step> {
    let step = |session, user| Step {
        session,
        user,
        kind: 8,
        happened: 5,
        numbered: true,
    };
    let mut steps = vec![step(0, Some(0)); 100];
    steps.extend(vec![step(0, Some(1)); 50]);
    steps.extend(vec![step(1, Some(1)); 10]);
    steps.extend(vec![step(2, Some(2)); 10]);
    steps
}

fn names(fixture: &Fixture) -> Vec<String> {
    let page = list::list(&fixture.rows(), &SessionList::default()).unwrap();
    let sessions = page.sessions.into_iter();
    sessions.map(|state| state.session_id).collect()
}

fn user_names(fixture: &Fixture) -> Vec<(String, u64, u64)> {
    let page = users::list(&fixture.rows(), &UserList::default()).unwrap();
    let users = page.users.into_iter();
    users
        .map(|user| (user.user_id, user.sessions, user.events))
        .collect()
}

#[test]
fn sessions_of_which_nothing_is_left_go_with_all_their_rows() {
    let entries = history(&steps());
    let mut fixture = Fixture::of(&entries);
    assert_eq!(names(&fixture), ["s2", "s1", "s0"]);
    // Its last entry is 150: one is left.
    fixture.trim(0, 150);
    fixture.commit();
    assert_eq!(names(&fixture), ["s2", "s1", "s0"]);
    // Above all of the other partition's, which stay.
    fixture.trim(0, 165);
    fixture.commit();
    assert_eq!(names(&fixture), ["s2", "s1"]);
    let told = [("u2".to_owned(), 1, 10), ("u1".to_owned(), 1, 10)];
    assert_eq!(user_names(&fixture), told);
    for cut in [Cut::End, Cut::Entry(EntryId::new(90, 0))] {
        assert_eq!(at(&fixture.rows(), "s0", &cut), Ok(None));
    }
    // As if it had never been, but for the note of what was trimmed.
    let rest = Fixture::of(&entries[150..]);
    let mut left = fixture.dump();
    left.retain(|(key, _)| !key.starts_with(b"f"));
    let keys = |rows: Vec<(Vec<u8>, Vec<u8>)>| -> Vec<_> {
        rows.into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(keys(left), keys(rest.dump()));
}

#[test]
fn what_happened_since_the_last_commit_counts() {
    let entries = history(&steps());
    let mut fixture = Fixture::of(&entries[..120]);
    fixture.take(&entries[120..]);
    fixture.trim(0, 150);
    fixture.commit();
    assert_eq!(names(&fixture), ["s2", "s1", "s0"]);
    let state = at(&fixture.rows(), "s0", &Cut::End).unwrap().unwrap();
    assert_eq!(state.own_events, 150);
}
