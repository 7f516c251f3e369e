//! Appending under given ids.

use bytes::Bytes;
use recount_core::{
    AppendError, Body, Entry, EntryId, EventLog, Outcome, Timestamp, TimestampSource,
};

use crate::Engine;
use crate::kit::{
    Setup, add, add_one, all_ids, append, assert_holds, at, copy, event, event_ids, events, fields,
    id, ids, noise, partition, query, read_all,
};

async fn refused(log: &impl EventLog, entries: Vec<Entry>) -> AppendError {
    let before = partition(log).await;
    let refused = log.append_with_ids(entries).await;
    assert_eq!(partition(log).await, before, "nothing was appended");
    refused.expect_err("the entries are refused")
}

pub async fn entries_keep_their_ids<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let given = [
        EntryId::new(0, 1),
        EntryId::new(3, u64::MAX),
        id(0, 0),
        id(5, 9),
    ];
    let copies = given
        .iter()
        .enumerate()
        .map(|(n, id)| copy(*id, &format!("c{n}"), "s"))
        .collect();
    let receipt = log.append_with_ids(copies).await;
    let outcomes = receipt.expect("the copies succeed").outcomes;
    let expected: Vec<_> = given
        .iter()
        .zip(1..)
        .map(|(id, revision)| Outcome::Appended {
            position: at(*id),
            revision,
        })
        .collect();
    assert_eq!(outcomes, expected);
    let log = setup.reopen(log).await;
    let found = read_all(&*log).await;
    assert_eq!(ids(&found), given);
    for (n, entry) in found.iter().enumerate() {
        assert_holds(entry, &event(&format!("c{n}"), "s"));
    }
}

pub async fn nothing_given_does_nothing<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let receipt = log.append_with_ids(Vec::new()).await;
    assert_eq!(receipt.expect("it succeeds").outcomes, []);
    assert_eq!(partition(&*log).await.entries_added, 0);
}

pub async fn ids_must_increase_within_the_call<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    for second in [id(1, 0), id(0, 9)] {
        let entries = vec![copy(id(1, 0), "a", "s"), copy(second, "b", "s")];
        assert_eq!(
            refused(&*log, entries).await,
            AppendError::IdNotAbove {
                given: second,
                last: id(1, 0)
            }
        );
    }
}

pub async fn ids_must_lie_above_what_is_there<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let zero = refused(&*log, vec![copy(EntryId::MIN, "a", "s")]).await;
    let expected = AppendError::IdNotAbove {
        given: EntryId::MIN,
        last: EntryId::MIN,
    };
    assert_eq!(zero, expected);
    add(&*log, events(0..2)).await;
    crate::kit::trim_everything(&*log).await;
    let log = setup.reopen(log).await;
    for given in [id(0, 1), id(0, 0), EntryId::new(1, 0)] {
        let last = id(0, 1);
        let error = refused(&*log, vec![copy(given, "c", "s")]).await;
        assert_eq!(error, AppendError::IdNotAbove { given, last });
    }
    let given = log.append_with_ids(vec![copy(id(0, 2), "c", "s")]).await;
    given.expect("an id above is taken");
}

pub async fn what_is_no_event_keeps_every_byte<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let pair =
        |name: &[u8], value: &[u8]| (Bytes::copy_from_slice(name), Bytes::copy_from_slice(value));
    let strange = [
        vec![pair(b"\xff\x00", b"\x80\r\n")],
        vec![pair(b"a", b"1"), pair(b"a", b"2"), pair(b"", b"")],
        vec![pair(b"type", b"x"), pair(b"type", b"y")],
        vec![pair(b"type", b"message.added"), pair(b"session_id", b"")],
        vec![pair(b"blob", &[7; 100_000])],
        Vec::new(),
    ];
    let entries: Vec<_> = strange
        .iter()
        .zip(0..)
        .map(|(fields, seq)| Entry {
            id: id(0, seq),
            fields: fields.clone(),
            revision: None,
        })
        .collect();
    let receipt = log.append_with_ids(entries.clone()).await;
    receipt.expect("what is no event is kept all the same");
    let log = setup.reopen(log).await;
    let found = read_all(&*log).await;
    assert_eq!(found.len(), entries.len());
    for (recorded, entry) in found.iter().zip(&entries) {
        let decoded = recount_core::codec::decode(entry.id, entry.fields.clone());
        assert!(matches!(decoded, Body::Undecodable(_)));
        assert_eq!(recorded.body, decoded);
        assert_eq!((recorded.position, recorded.revision), (at(entry.id), 0));
    }
}

pub async fn the_flat_layout_is_decoded<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let flat = Entry {
        id: id(3, 4),
        fields: fields(&[
            ("type", "message.added"),
            ("session_id", "s1"),
            ("user_id", "u1"),
            ("timestamp", "1700000000.5"),
            ("role", "user"),
            ("tokens", "12"),
            ("zip", "00501"),
            ("final", "true"),
        ]),
        revision: None,
    };
    let receipt = log.append_with_ids(vec![flat.clone()]).await;
    receipt.expect("the copy succeeds");
    let log = setup.reopen(log).await;
    let found = read_all(&*log).await;
    let event = found[0].event().expect("an event");
    let Body::Event(expected) = recount_core::codec::decode(flat.id, flat.fields) else {
        panic!("the flat layout is an event");
    };
    assert_holds(&found[0], &expected);
    assert_eq!(event.timestamp.as_millis(), 1_700_000_000_500);
    assert_eq!(event.data.to_map()["tokens"], 12);
    assert_eq!(event.data.to_map()["zip"], "00501");
    let by_session = query(&*log, recount_core::Query::session("s1")).await;
    assert_eq!(ids(&by_session), [id(3, 4)]);
}

pub async fn an_entry_without_id_and_time_takes_its_own<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let bare = Entry {
        id: id(3, 4),
        fields: fields(&[("type", "x.y"), ("session_id", "s")]),
        revision: None,
    };
    let receipt = log.append_with_ids(vec![bare]).await;
    receipt.expect("the copy succeeds");
    let found = read_all(&*log).await;
    let event = found[0].event().expect("an event");
    assert_eq!(event.id.as_str(), id(3, 4).to_string());
    assert_eq!(
        event.timestamp,
        Timestamp::saturating_from_millis(id(3, 4).ms)
    );
    assert_eq!(event.timestamp_source, TimestampSource::Filled);
    let log = setup.reopen(log).await;
    let outcomes = append(&*log, event.clone()).await;
    let position = at(id(3, 4));
    assert_eq!(outcomes, [Outcome::Duplicate { position }]);
}

pub async fn known_event_ids_are_copied_all_the_same<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    add_one(&*log, event("e", "s")).await;
    let copies = vec![copy(id(1, 0), "e", "s"), copy(id(2, 0), "e", "other")];
    let receipt = log.append_with_ids(copies).await;
    assert_eq!(receipt.expect("the copies succeed").appended(), 2);
    let log = setup.reopen(log).await;
    assert_eq!(event_ids(&read_all(&*log).await), ["e", "e", "e"]);

    // The first of them is the one that later events are compared with.
    let position = at(id(0, 0));
    let again = append(&*log, event("e", "s")).await;
    assert_eq!(again, [Outcome::Duplicate { position }]);
    let other = append(&*log, event("e", "other")).await;
    let first_trimmed = false;
    assert_eq!(
        other,
        [Outcome::Conflict {
            position,
            first_trimmed
        }]
    );
}

pub async fn appends_go_on_above_copies<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let copies = vec![copy(id(500, 3), "c", "s"), noise(id(500, 4))];
    let receipt = log.append_with_ids(copies).await;
    receipt.expect("the copies succeed");
    assert_eq!(add(&*log, events(0..2)).await, [id(500, 5), id(500, 6)]);
    setup.clock().advance(1_000);
    assert_eq!(add(&*log, events(2..3)).await, [id(1_000, 0)]);
    let log = setup.reopen(log).await;
    assert_eq!(all_ids(&*log).await.len(), 5);
}

pub async fn what_was_read_can_be_copied_elsewhere<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    add(&*log, events(0..5)).await;
    let other = Setup::<E>::new().await;
    let target = other.open().await;
    let entries = read_all(&*log)
        .await
        .iter()
        .map(|entry| Entry {
            id: entry.position.entry_id,
            fields: recount_core::codec::encode(entry.event().expect("an event")),
            revision: None,
        })
        .collect();
    let receipt = target.append_with_ids(entries).await;
    receipt.expect("the copies succeed");
    let target = other.reopen(target).await;
    let comparable =
        |entries: Vec<_>| -> Vec<_> { entries.into_iter().map(crate::kit::comparable).collect() };
    assert_eq!(
        comparable(read_all(&*target).await),
        comparable(read_all(&*log).await)
    );
}
