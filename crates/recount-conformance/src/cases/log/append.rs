//! What goes in comes back, and a receipt says what became of it.

use recount_core::{Batch, EventLog, EventType, Outcome};

use crate::Engine;
use crate::kit::{
    Setup, add, add_one, all_ids, append, assert_holds, at, building, data, event, events, finish,
    id, partition, read_all, time,
};

pub async fn an_empty_batch_succeeds_and_does_nothing<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    for batch in [
        Batch::default(),
        Batch::default().strict(),
        Batch::default().expecting(7),
    ] {
        assert_eq!(append(&*log, batch).await, []);
    }
    assert_eq!(partition(&*log).await.entries_added, 0);
    assert_eq!(add_one(&*log, event("e", "s")).await, id(0, 0));
}

pub async fn every_field_comes_back<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let full = building("e1", "s1")
        .user("u1")
        .agent("a1")
        .trace("t1")
        .causation("c1")
        .timestamp(time(12_345))
        .version(u32::MAX);
    let bare = recount_core::Event::builder(EventType::MemoryCleared, "s2").id("e2");
    let before_1970 = building("e3", "s1")
        .timestamp(recount_core::Timestamp::from_millis(-5_000).expect("a legal time"))
        .data(data("{}"));
    let sent: Vec<_> = [full, bare, before_1970].map(finish).into();
    add(&*log, sent.clone()).await;
    let log = setup.reopen(log).await;
    let found = read_all(&*log).await;
    assert_eq!(found.len(), sent.len());
    for (entry, event) in found.iter().zip(&sent) {
        assert_holds(entry, event);
    }
}

pub async fn a_receipt_follows_the_batch<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let batch = vec![event("a", "s"), event("b", "t"), event("c", "s")];
    let outcomes = append(&*log, Batch::new(batch)).await;
    let expected = [(0, 1), (1, 1), (2, 2)].map(|(seq, revision)| Outcome::Appended {
        position: at(id(0, seq)),
        revision,
    });
    assert_eq!(outcomes, expected);
    assert_eq!(all_ids(&*log).await, [id(0, 0), id(0, 1), id(0, 2)]);
}

pub async fn an_acknowledgement_says_how_durable<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let promised = log.info().await.expect("info succeeds").durability;
    let receipt = log.append(event("e", "s").into()).await;
    let durability = receipt.expect("the append succeeds").durability;
    assert!(durability >= promised, "{durability} is not {promised}");
}

pub async fn data_keeps_its_text<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let texts = [
        r#"{"z":1,"a":1.0,"b":1e2,"c":-0.0}"#,
        "{ \"spaced\" :\n[ ]\t}",
        r#"{"big":123456789012345678,"text":"\u00e9\ud83d\ude00\u0000"}"#,
        "{\"é\":\"😀 \u{2028}\"}",
        r#"{"a":{"a":{"a":[[[null,true,false]]]}}}"#,
        "{}",
    ];
    let sent: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(n, text)| finish(building(&format!("e{n}"), "s").data(data(text))))
        .collect();
    add(&*log, sent.clone()).await;
    let log = setup.reopen(log).await;
    let found = read_all(&*log).await;
    for (entry, text) in found.iter().zip(texts) {
        let event = entry.event().expect("an event");
        assert_eq!(event.data.as_str(), text);
    }
    assert_eq!(found.len(), texts.len());
}

pub async fn every_type_comes_back<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let custom = ["invoice.sent", "x", "ünï.cödé", "message.added.not"]
        .map(|name| EventType::new(name).expect("a legal type"));
    let types: Vec<_> = EventType::KNOWN.iter().cloned().chain(custom).collect();
    let sent: Vec<_> = types
        .iter()
        .enumerate()
        .map(|(n, event_type)| {
            let builder = recount_core::Event::builder(event_type.clone(), "s");
            finish(builder.id(format!("e{n}")))
        })
        .collect();
    add(&*log, sent).await;
    let log = setup.reopen(log).await;
    let found = read_all(&*log).await;
    let found: Vec<_> = found
        .iter()
        .map(|entry| entry.event().expect("an event").event_type.clone())
        .collect();
    assert_eq!(found, types);
}

pub async fn identifiers_of_any_script_and_full_length<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let names = [
        "x".repeat(128),
        "ü".repeat(64),
        "😀".repeat(32),
        " ".to_owned(),
        "-".to_owned(),
        "../../etc/passwd".to_owned(),
        "a\"b\\c{d}*?[e]".to_owned(),
        "\u{202e}\u{feff}\u{10ffff}".to_owned(),
        "E".to_owned(),
        "e".to_owned(),
        "é".to_owned(),
        "e\u{301}".to_owned(),
    ];
    let sent: Vec<_> = names
        .iter()
        .map(|name| {
            let builder = building(name, name).user(name).agent(name);
            finish(builder.trace(name).causation(name))
        })
        .collect();
    add(&*log, sent.clone()).await;
    let log = setup.reopen(log).await;
    let found = read_all(&*log).await;
    assert_eq!(found.len(), names.len());
    for (entry, event) in found.iter().zip(&sent) {
        assert_holds(entry, event);
        assert_eq!(
            entry.revision, 1,
            "{:?} is a session of its own",
            event.session_id
        );
    }
    for event in sent {
        let again = append(&*log, event).await;
        assert!(
            matches!(again[..], [Outcome::Duplicate { .. }]),
            "{again:?}"
        );
    }
}

pub async fn appends_survive_reopening_many_times<E: Engine>(setup: Setup<E>) {
    let mut log = setup.open().await;
    for round in 0..5 {
        add(&*log, events(round * 3..round * 3 + 3)).await;
        log = setup.reopen(log).await;
    }
    let found = read_all(&*log).await;
    for (entry, event) in found.iter().zip(&events(0..15)) {
        assert_holds(entry, event);
    }
    assert!(crate::kit::revisions(&found).into_iter().eq(1..=15));
}

pub async fn a_dropped_append_happened_or_did_not<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    add(&*log, events(0..2)).await;
    {
        let mut given_up = std::pin::pin!(log.append(Batch::new(events(2..4))));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        // Begun, and then dropped wherever it has come to.
        let _ = given_up.as_mut().poll(&mut context);
    }
    let outcomes = append(&*log, Batch::new(events(2..5))).await;
    let both = matches!(
        outcomes[..],
        [Outcome::Appended { .. }, Outcome::Appended { .. }, _]
            | [Outcome::Duplicate { .. }, Outcome::Duplicate { .. }, _]
    );
    assert!(both, "the batch happened whole or not at all: {outcomes:?}");
    let found = read_all(&*log).await;
    assert_eq!(
        crate::kit::event_ids(&found),
        ["e0", "e1", "e2", "e3", "e4"]
    );
}
