//! Sessions that branched off others.

use recount::{At, EventType, ForkError, JsonObject, Recount, SessionState};

use crate::engines::{self, event, message, say, texts};

async fn messages(recount: &Recount, session: &str) -> Vec<String> {
    let looked = recount.session(session).at(At::Now, 1_000).await.unwrap();
    assert!(looked.messages.complete, "{session}");
    texts(&looked.messages)
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(' ').map(str::to_owned)
}

#[tokio::test]
async fn a_fork_shares_what_was_and_goes_its_own_way() {
    for engine in engines::all().await {
        let recount = &engine.recount;
        say(recount, "p", words("a b c d")).await;
        let forked = recount
            .session("p")
            .fork(At::Revision(2), "f")
            .await
            .unwrap();
        assert_eq!(forked.from.revision, 2);
        assert!(forked.from.complete && !forked.again);
        say(recount, "f", words("x")).await;
        say(recount, "p", words("e")).await;
        assert_eq!(messages(recount, "f").await, ["a", "b", "x"]);
        assert_eq!(messages(recount, "p").await, ["a", "b", "c", "d", "e"]);

        let state = recount.session("f").state().await.unwrap();
        assert_eq!((state.revision, state.own_events, state.events), (2, 2, 3));
        assert_eq!(state.tokens.total, 3);
        assert!(state.is_complete());

        // At its first entry it is what its parent was.
        let first = recount
            .session("f")
            .at(At::Revision(1), 1_000)
            .await
            .unwrap();
        assert_eq!(texts(&first.messages), ["a", "b"]);
        assert_eq!(first.messages.messages[0].session_id, "p");
    }
}

#[tokio::test]
async fn forks_of_forks_reach_back_to_the_first() {
    for engine in engines::all().await {
        let recount = &engine.recount;
        say(recount, "f0", words("0a 0b")).await;
        for n in 1..=5 {
            let (parent, child) = (format!("f{}", n - 1), format!("f{n}"));
            // At the fork's own entry and one message.
            recount
                .session(&parent)
                .fork(At::Now, &child)
                .await
                .unwrap();
            say(recount, &child, [format!("{n}a")]).await;
        }
        assert_eq!(
            messages(recount, "f5").await,
            ["0a", "0b", "1a", "2a", "3a", "4a", "5a"]
        );
        let state = recount.session("f5").state().await.unwrap();
        let newest = recount.session("f5").messages(&state, 3).await.unwrap();
        assert_eq!(texts(&newest), ["3a", "4a", "5a"]);
        // Right after its beginning.
        recount
            .session("f5")
            .fork(At::Revision(1), "g")
            .await
            .unwrap();
        assert_eq!(
            messages(recount, "g").await,
            ["0a", "0b", "1a", "2a", "3a", "4a"]
        );
        // What is forgotten stays so.
        recount
            .record(event(EventType::MemoryCleared, "f5", "{}"))
            .await
            .unwrap();
        recount.session("f5").fork(At::Now, "h").await.unwrap();
        say(recount, "h", words("new")).await;
        assert_eq!(messages(recount, "h").await, ["new"]);
    }
}

#[tokio::test]
async fn a_fork_may_lie_in_another_partition() {
    let engine = engines::redis(3).await;
    let recount = &engine.recount;
    say(recount, "p", words("a b")).await;
    let mut partitions = std::collections::BTreeSet::new();
    for n in 0..12 {
        let child = format!("child-{n}");
        let forked = recount
            .session("p")
            .fork(At::Revision(1), &child)
            .await
            .unwrap();
        assert_eq!(
            forked.position.partition,
            recount.log().partition_of(&child)
        );
        partitions.insert(forked.position.partition);
        say(recount, &child, words("x")).await;
        assert_eq!(messages(recount, &child).await, ["a", "x"]);
    }
    assert_eq!(partitions.len(), 3);
}

#[tokio::test]
async fn forking_again_is_the_same_fork_and_what_exists_is_left_alone() {
    for engine in engines::all().await {
        let recount = &engine.recount;
        say(recount, "p", words("a b c")).await;
        say(recount, "taken", words("mine")).await;
        let parent = recount.session("p");
        let first = parent.fork(At::Revision(2), "f").await.unwrap();
        say(recount, "f", words("x")).await;
        let again = parent.fork(At::Revision(2), "f").await.unwrap();
        assert_eq!((again.position, again.again), (first.position, true));
        assert_eq!(messages(recount, "f").await, ["a", "b", "x"]);

        for (at, child) in [(At::Revision(3), "f"), (At::Now, "taken"), (At::Now, "p")] {
            let error = parent.fork(at, child).await.unwrap_err();
            assert!(
                matches!(error, ForkError::Exists { .. }),
                "{child}: {error}"
            );
        }
        assert_eq!(messages(recount, "taken").await, ["mine"]);
        let error = parent.fork(At::Revision(0), "new").await.unwrap_err();
        assert!(matches!(error, ForkError::Nothing { .. }), "{error}");
        let error = recount
            .session("nobody")
            .fork(At::Now, "new")
            .await
            .unwrap_err();
        assert!(matches!(error, ForkError::Nothing { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_fork_belongs_to_the_user_and_agent_of_its_parent() {
    let engine = engines::memory();
    let recount = &engine.recount;
    let mut said = message("p", "a");
    said.user_id = Some("ada".into());
    said.agent_id = Some("helper".into());
    recount.record(said).await.unwrap();
    recount.session("p").fork(At::Now, "f").await.unwrap();
    let first = recount.session("f").events().collect().await.unwrap();
    let first = first[0].event().unwrap();
    assert_eq!(first.user_id.as_deref(), Some("ada"));
    assert_eq!(first.agent_id.as_deref(), Some("helper"));
}

/// A fork that somebody wrote by hand.
fn by_hand(child: &str, parent: &str, at: &str) -> recount::Event {
    let mut state = serde_json::to_value(SessionState::new(parent)).unwrap();
    state["message_count"] = 9.into();
    let data = serde_json::json!({
        "parent_session_id": parent, "at_entry_id": at, "at_revision": 1, "state": state,
    });
    let mut event = message(child, "");
    event.event_type = EventType::SessionForked;
    event.data = JsonObject::parse(data.to_string()).unwrap();
    event
}

#[tokio::test]
async fn forks_that_go_round_in_circles_end() {
    let engine = engines::memory();
    let recount = &engine.recount;
    let end = "9999999999999-0";
    recount.record(by_hand("a", "b", end)).await.unwrap();
    recount.record(by_hand("b", "a", end)).await.unwrap();
    recount.record(by_hand("self", "self", end)).await.unwrap();
    say(recount, "a", words("said")).await;
    for session in ["a", "b", "self"] {
        let looked = recount.session(session).at(At::Now, 1_000).await.unwrap();
        assert!(!looked.messages.complete, "{session}");
        assert!(looked.messages.missing >= 8, "{:?}", looked.messages);
    }
}

#[tokio::test]
async fn a_hundred_forks_deep_is_said_to_be_in_part() {
    let engine = engines::memory();
    let recount = &engine.recount;
    say(recount, "f0", words("first")).await;
    for n in 1..=100 {
        let (parent, child) = (format!("f{}", n - 1), format!("f{n}"));
        recount
            .session(&parent)
            .fork(At::Now, &child)
            .await
            .unwrap();
    }
    let near = recount.session("f60").at(At::Now, 10).await.unwrap();
    assert_eq!(texts(&near.messages), ["first"]);
    let far = recount.session("f100").at(At::Now, 10).await.unwrap();
    assert_eq!((far.messages.missing, far.messages.complete), (1, false));
    assert_eq!(far.state.message_count, 1);
}
