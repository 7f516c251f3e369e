//! The state at any moment, and the laws that it keeps.

use proptest::prelude::*;
use recount::{At, EntryId, Event, EventType, Fold as _, SessionError, SessionState, Timestamp};

use crate::engines::{self, CONVERSATION, conversation, event, message, say, texts};

#[tokio::test]
async fn a_state_at_a_revision_is_the_fold_up_to_it_and_so_is_a_step() {
    for engine in engines::all().await {
        let recount = &engine.recount;
        recount.record_all(conversation()).await.unwrap();
        let session = recount.session(CONVERSATION);
        let events = session.events().collect().await.unwrap();
        let mut steps = session.steps();
        let mut expected = SessionState::new(CONVERSATION);
        for recorded in &events {
            expected.apply(recorded);
            let (step, state) = steps.next().await.unwrap().unwrap();
            assert_eq!(&step, recorded);
            assert_eq!(state, expected);
            for at in [
                At::Revision(recorded.revision),
                At::Entry(recorded.position.entry_id),
            ] {
                assert_eq!(
                    session.state_at(at).await.unwrap(),
                    expected,
                    "{at} on {}",
                    engine.name
                );
            }
            for last in [0, 1, 3, usize::MAX] {
                let looked = session
                    .at(At::Revision(recorded.revision), last)
                    .await
                    .unwrap();
                // One pass or two: the same messages.
                let messages = session.messages(&expected, last).await.unwrap();
                assert_eq!(looked.messages, messages);
                let there = usize::try_from(expected.message_count).unwrap().min(last);
                assert_eq!(messages.messages.len(), there);
                assert!(messages.complete);
                assert_eq!(
                    looked.summary,
                    session.summary_text(&expected).await.unwrap()
                );
                assert_eq!(
                    looked.last_error,
                    session.last_error_text(&expected).await.unwrap()
                );
            }
        }
        assert!(steps.next().await.unwrap().is_none());
        assert_eq!(session.state().await.unwrap(), expected);
    }
}

#[tokio::test]
async fn times_are_those_of_recording_or_of_happening() {
    for engine in engines::all().await {
        let recount = &engine.recount;
        let happened = |ms: i64, text: &str| Event {
            timestamp: Timestamp::from_millis(ms).unwrap(),
            ..message("s", text)
        };
        for (ms, text) in [
            (1_000, "one"),
            (3_000, "three"),
            (2_000, "late"),
            (9_000, "nine"),
        ] {
            recount.record(happened(ms, text)).await.unwrap();
        }
        let session = recount.session("s");
        let count = async |at| session.state_at(at).await.unwrap().message_count;
        let time = |ms| At::Happened(Timestamp::from_millis(ms).unwrap());
        assert_eq!(count(time(999)).await, 0);
        assert_eq!(count(time(1_000)).await, 1);
        // The late one was recorded after one that happened later.
        assert_eq!(count(time(2_500)).await, 1);
        assert_eq!(count(time(3_000)).await, 3);
        assert_eq!(count(time(9_000)).await, 4);

        let events = session.events().collect().await.unwrap();
        let first = events[0].position.entry_id;
        let recorded = |ms| At::Recorded(Timestamp::saturating_from_millis(ms));
        assert_eq!(count(recorded(first.ms - 1)).await, 0);
        let of_that_ms = events
            .iter()
            .filter(|event| event.position.entry_id.ms == first.ms);
        assert_eq!(count(recorded(first.ms)).await, of_that_ms.count() as u64);
        assert_eq!(count(recorded(first.ms + 3_600_000)).await, 4);
        assert_eq!(count(At::Entry(EntryId::MAX)).await, 4);
    }
}

#[tokio::test]
async fn what_a_session_never_was_is_an_error() {
    for engine in engines::all().await {
        let recount = &engine.recount;
        say(recount, "s", (1..=3).map(|n| n.to_string())).await;
        let session = recount.session("s");
        assert_eq!(session.state_at(At::Revision(0)).await.unwrap().events, 0);
        let ahead = session.state_at(At::Revision(4)).await.unwrap_err();
        assert!(
            matches!(
                ahead,
                SessionError::Ahead {
                    asked: 4,
                    revision: 3,
                    ..
                }
            ),
            "{ahead}"
        );
        assert_eq!(ahead.code(), "no_such_revision");
        // A session that nobody recorded has an empty state, and no revision.
        let nobody = recount.session("nobody");
        assert_eq!(nobody.state().await.unwrap(), SessionState::new("nobody"));
        let ahead = nobody.state_at(At::Revision(1)).await.unwrap_err();
        assert!(
            matches!(ahead, SessionError::Ahead { revision: 0, .. }),
            "{ahead}"
        );
    }
}

#[tokio::test]
async fn only_as_many_messages_are_read_as_are_asked_for() {
    let engine = engines::disk().await;
    let recount = &engine.recount;
    let batch = (0..3_000).map(|n| message("s", &n.to_string()));
    recount.record_all(batch).await.unwrap();
    let session = recount.session("s");
    let state = session.state().await.unwrap();
    let newest = session.messages(&state, 2).await.unwrap();
    assert_eq!(texts(&newest), ["2998", "2999"]);
    assert!(newest.complete);
    let all = session.messages(&state, usize::MAX).await.unwrap();
    assert_eq!(all.messages.len(), 3_000);
    assert_eq!(all.messages[0].text().unwrap(), "0");
    // At a state of the past, what came later is not there.
    let before = session.state_at(At::Revision(1_500)).await.unwrap();
    let newest = session.messages(&before, 1).await.unwrap();
    assert_eq!(texts(&newest), ["1499"]);
}

fn any_events() -> impl Strategy<Value = Vec<(usize, u8)>> {
    proptest::collection::vec((0_usize..7, 0_u8..4), 1..24)
}

/// What the numbers stand for.
fn events(of: &[(usize, u8)]) -> Vec<Event> {
    let kinds = [
        EventType::MessageAdded,
        EventType::MessageAdded,
        EventType::ToolCalled,
        EventType::ToolReturned,
        EventType::MemoryCleared,
        EventType::SummaryCreated,
        EventType::ErrorOccurred,
    ];
    let data = |n: u8| {
        format!(
            r#"{{"role":"user","content":"text {n}","tokens":{n},"tool":"t","call_id":"c{n}","summary":"{n}","message":"{n}"}}"#
        )
    };
    let events = of
        .iter()
        .map(|(kind, n)| event(kinds[*kind].clone(), "s", &data(*n)));
    events.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_difference_leads_from_any_moment_to_any(of in any_events(), from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let engine = engines::memory();
            engine.recount.record_all(events(&of)).await.unwrap();
            let session = engine.recount.session("s");
            let document = async |at: prop::sample::Index| {
                let at = At::Revision(at.index(of.len() + 1) as u64);
                session.at(at, 1_000).await.unwrap().document(Timestamp::now())
            };
            let (a, b) = (document(from).await, document(to).await);
            let mut patched = a.clone();
            let diff = recount::diff(&a, &b);
            // As whoever gets it as text.
            let text = serde_json::to_string(&diff.patch).unwrap();
            let patch: json_patch::Patch = serde_json::from_str(&text).unwrap();
            json_patch::patch(&mut patched, &patch).unwrap();
            assert_eq!(patched, b);
            assert_eq!(diff.changes.is_empty(), a == b);
        });
    }

    #[test]
    fn a_fork_without_events_is_its_parent_at_that_moment(of in any_events(), at in any::<prop::sample::Index>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let engine = engines::memory();
            engine.recount.record_all(events(&of)).await.unwrap();
            let parent = engine.recount.session("s");
            let at = At::Revision(1 + at.index(of.len()) as u64);
            parent.fork(at, "child").await.unwrap();
            let was = parent.at(at, usize::MAX).await.unwrap();
            let is = engine.recount.session("child").at(At::Now, usize::MAX).await.unwrap();
            let from = is.state.forked_from.clone().unwrap();
            assert_eq!(is.state, SessionState {
                first_revision: 1,
                revision: 1,
                own_events: 1,
                position: is.state.position,
                ..was.state.inherited_by("child", from)
            });
            assert_eq!(is.messages, was.messages);
            assert_eq!((is.summary, is.last_error), (was.summary, was.last_error));
        });
    }
}
