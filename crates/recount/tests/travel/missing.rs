//! A part of a memory is never silent.

use recount::{At, EventType, SessionError, TrimLimit, TrimRequest};

use crate::engines::{self, Engine, event, say, texts};

/// The log keeps its newest `entries`.
async fn keep(engine: &Engine, entries: u64) {
    let request = TrimRequest::exact(TrimLimit::MaxLength(entries));
    engine.recount.trim(&request).await.unwrap();
}

/// Those that lose what is trimmed.
async fn engines() -> Vec<Engine> {
    vec![
        engines::memory(),
        engines::disk().await,
        engines::redis(1).await,
    ]
}

#[tokio::test]
async fn what_was_trimmed_is_missed() {
    for engine in engines().await {
        let recount = &engine.recount;
        say(recount, "s", (1..=9).map(|n| n.to_string())).await;
        let session = recount.session("s");
        let before = session.state().await.unwrap();
        keep(&engine, 4).await;

        // What is left is folded, and says that it is a part.
        let looked = session.at(At::Now, 1_000).await.unwrap();
        assert!(!looked.is_complete(), "{}", engine.name);
        assert_eq!((looked.state.first_revision, looked.state.revision), (6, 9));
        assert_eq!(texts(&looked.messages), ["6", "7", "8", "9"]);
        assert!(!looked.messages.complete);
        // As many as were asked for are there.
        assert!(session.at(At::Now, 3).await.unwrap().messages.complete);

        // A state that was kept knows how many are gone.
        let messages = session.messages(&before, 1_000).await.unwrap();
        assert_eq!((messages.missing, messages.complete), (5, false));
        assert_eq!(texts(&messages), ["6", "7", "8", "9"]);

        let partly = session.at(At::Revision(7), 1_000).await.unwrap();
        assert_eq!(texts(&partly.messages), ["6", "7"]);
        let gone = session.state_at(At::Revision(5)).await.unwrap_err();
        assert!(
            matches!(
                gone,
                SessionError::Trimmed {
                    retained_from: 6,
                    ..
                }
            ),
            "{gone}"
        );
    }
}

#[tokio::test]
async fn what_was_said_since_the_memory_was_cleared_is_all_of_it() {
    for engine in engines().await {
        let recount = &engine.recount;
        say(recount, "s", ["old".to_owned()]).await;
        let clear = event(EventType::MemoryCleared, "s", "{}");
        recount.record(clear).await.unwrap();
        say(recount, "s", ["new".to_owned()]).await;
        keep(&engine, 2).await;
        let looked = recount.session("s").at(At::Now, 1_000).await.unwrap();
        assert!(!looked.is_complete());
        assert!(looked.messages.complete, "{}", engine.name);
        assert_eq!(texts(&looked.messages), ["new"]);
    }
}

#[tokio::test]
async fn a_fork_outlives_what_its_parent_loses() {
    for engine in engines().await {
        let recount = &engine.recount;
        say(recount, "p", (1..=5).map(|n| n.to_string())).await;
        let parent = recount.session("p").state().await.unwrap();
        recount.session("p").fork(At::Now, "f").await.unwrap();
        say(recount, "f", ["6".to_owned()]).await;
        keep(&engine, 4).await;

        let looked = recount.session("f").at(At::Now, 1_000).await.unwrap();
        assert_eq!(looked.state.message_count, 6);
        assert_eq!(looked.state.tokens.total, parent.tokens.total + 1);
        assert_eq!(texts(&looked.messages), ["4", "5", "6"]);
        assert_eq!(
            (looked.messages.missing, looked.messages.complete),
            (3, false)
        );

        // All of the parent.
        keep(&engine, 2).await;
        let looked = recount.session("f").at(At::Now, 1_000).await.unwrap();
        assert_eq!(texts(&looked.messages), ["6"]);
        assert_eq!(looked.messages.missing, 5);
        assert_eq!(looked.state.message_count, 6);
        assert!(looked.state.is_complete());
    }
}

#[tokio::test]
async fn a_fork_of_a_part_is_a_part() {
    for engine in engines().await {
        let recount = &engine.recount;
        say(recount, "p", (1..=5).map(|n| n.to_string())).await;
        keep(&engine, 3).await;
        let forked = recount.session("p").fork(At::Now, "f").await.unwrap();
        assert!(!forked.from.complete, "{}", engine.name);
        let looked = recount.session("f").at(At::Now, 1_000).await.unwrap();
        assert!(!looked.is_complete());
        assert!(!looked.messages.complete);
        assert_eq!(texts(&looked.messages), ["3", "4", "5"]);
        // Again, though less of the parent is known by now.
        keep(&engine, 2).await;
        let again = recount.session("p").fork(At::Now, "f").await.unwrap();
        assert!(again.again, "{}", engine.name);
    }
}
