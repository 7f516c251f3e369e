//! One conversation, looked at in full.

use std::fmt::Write as _;

use insta::assert_snapshot;
use recount::{At, Timestamp};
use serde_json::Value;

use crate::engines::{self, CONVERSATION, Engine, conversation};

/// A document with its entry ids replaced by revisions, which are the same everywhere.
async fn document(engine: &Engine, at: At) -> String {
    let session = engine.recount.session(CONVERSATION);
    let events = session.events().collect().await.unwrap();
    let looked = session.at(at, 1_000).await.unwrap();
    let mut document = looked.document(Timestamp::from_millis(0).unwrap());
    assert_eq!(document["partition"].is_null(), document["revision"] == 0);
    document["partition"] = Value::Null;
    let mut text = format!("{document:#}");
    for event in events {
        let id = format!("\"{}\"", event.position.entry_id);
        text = text.replace(&id, &format!("\"[id of {}]\"", event.revision));
    }
    text
}

#[tokio::test]
async fn a_conversation_is_the_same_on_every_engine_at_every_moment() {
    let mut expected: Option<Vec<String>> = None;
    for engine in engines::all().await {
        for event in conversation() {
            engine.recount.record(event).await.unwrap();
        }
        let mut documents = Vec::new();
        for revision in 0..=conversation().len() as u64 {
            documents.push(document(&engine, At::Revision(revision)).await);
        }
        documents.push(document(&engine, At::Now).await);
        let expected = expected.get_or_insert_with(|| documents.clone());
        for (revision, (found, expected)) in documents.iter().zip(expected).enumerate() {
            assert_eq!(found, expected, "{} at {revision}", engine.name);
        }
    }
    let documents = expected.unwrap();
    // A call is open, another failed; before the memory was cleared; at the end.
    for revision in [0, 10, 18, 29] {
        assert_snapshot!(format!("at-{revision}"), documents[revision]);
    }
    assert_eq!(documents[29], documents[30]);
}

#[tokio::test]
async fn what_changed_is_told_in_words() {
    let engine = engines::memory();
    engine.recount.record_all(conversation()).await.unwrap();
    let session = engine.recount.session(CONVERSATION);
    let now = Timestamp::from_millis(0).unwrap();
    let mut told = String::new();
    for (from, to) in [(9, 10), (10, 11), (18, 20), (22, 23), (0, 29)] {
        let a = session
            .at(At::Revision(from), 1_000)
            .await
            .unwrap()
            .document(now);
        let b = session
            .at(At::Revision(to), 1_000)
            .await
            .unwrap()
            .document(now);
        writeln!(told, "{from} to {to}").unwrap();
        for change in recount::diff(&a, &b).changes {
            writeln!(told, "  {change}").unwrap();
        }
    }
    assert_snapshot!("changes", told);
}
