use proptest::prelude::*;
use recount_core::{
    Batch, EntryId, Event, EventType, JsonObject, Timestamp, TrimLimit, TrimRequest,
};
use recount_views::{Clause, Term};
use serde_json::json;

use super::*;
use crate::language;

/// A log on disk, whose views stand beside it.
struct Disk {
    recount: Recount,
    _folder: tempfile::TempDir,
}

async fn disk() -> Disk {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("disk:{}", folder.path().display());
    Disk {
        recount: Recount::open(&url).await.unwrap(),
        _folder: folder,
    }
}

fn question(text: &str) -> Question {
    language::parse(text, "2026-01-02T10:00:00Z".parse().unwrap()).unwrap()
}

/// An event out of few words, so that questions find some.
#[derive(Debug, Clone)]
struct Said {
    session: u8,
    user: Option<u8>,
    agent: Option<u8>,
    event_type: u8,
    happened_ms: i64,
    words: Vec<&'static str>,
}

const WORDS: [&str; 6] = ["refund", "order", "Café", "timed", "out", "x1"];
const TYPES: [EventType; 3] = [
    EventType::MessageAdded,
    EventType::ErrorOccurred,
    EventType::ToolCalled,
];

fn said() -> impl Strategy<Value = Said> {
    (
        0..3_u8,
        prop::option::of(0..2_u8),
        prop::option::weighted(0.3, 0..2_u8),
        0..3_u8,
        0..6_i64,
        prop::collection::vec(prop::sample::select(&WORDS), 0..4),
    )
        .prop_map(|(session, user, agent, event_type, happened, words)| Said {
            session,
            user,
            agent,
            event_type,
            happened_ms: 1_767_348_000_000 + happened * 1_000,
            words,
        })
}

impl Said {
    fn event(&self, number: usize) -> Event {
        let text = self.words.join(" ");
        let event_type = TYPES[usize::from(self.event_type)].clone();
        let data = match event_type {
            EventType::MessageAdded => json!({"role": "user", "content": text}),
            EventType::ErrorOccurred => json!({"message": text}),
            _ => json!({"tool": "find", "arguments": {"q": text}}),
        };
        let mut event = Event::builder(event_type, format!("s{}", self.session))
            .id(format!("e{number}"))
            .timestamp(Timestamp::from_millis(self.happened_ms).unwrap())
            .data(JsonObject::from_serialize(&data).unwrap());
        if let Some(user) = self.user {
            event = event.user(format!("u{user}"));
        }
        if let Some(agent) = self.agent {
            event = event.agent(format!("a{agent}")).trace(format!("t{agent}"));
        }
        event.build().unwrap()
    }
}

fn term() -> impl Strategy<Value = Term> {
    let ids = |letter: char, count: u8| {
        let id = (0..count).prop_map(move |n| format!("{letter}{n}"));
        prop::collection::vec(id, 1..3)
    };
    let happened =
        (0..6_i64).prop_map(|s| Timestamp::from_millis(1_767_348_000_000 + s * 1_000).unwrap());
    let types = prop::collection::vec(prop::sample::select(&TYPES), 1..3);
    let word = || prop::sample::select(&["refund", "ORDER", "cafe", "timed", "missing"]);
    let phrase = prop::sample::select(&["timed out", "refund order", "café", "find"]);
    prop_oneof![
        ids('s', 4).prop_map(Term::Session),
        ids('u', 3).prop_map(Term::User),
        ids('a', 3).prop_map(Term::Agent),
        ids('t', 3).prop_map(Term::Trace),
        ids('e', 9).prop_map(Term::Id),
        types.prop_map(Term::Type),
        happened.clone().prop_map(Term::HappenedSince),
        happened.prop_map(Term::HappenedUntil),
        word().prop_map(|word| Term::Word(word.to_owned())),
        word().prop_map(|word| Term::Word(word.to_owned())),
        phrase.prop_map(|phrase| Term::Phrase(phrase.to_owned())),
    ]
}

fn asked() -> impl Strategy<Value = Question> {
    let clause = (prop::bool::weighted(0.2), term());
    prop::collection::vec(clause, 0..4).prop_map(|clauses| {
        let clauses = clauses.into_iter();
        let clauses = clauses.map(|(negated, term)| Clause { negated, term });
        Question {
            clauses: clauses.collect(),
        }
    })
}

fn ids(entries: &[Recorded]) -> Vec<String> {
    let ids = entries.iter().filter_map(Recorded::event);
    ids.map(|event| event.id.to_string()).collect()
}

/// All pages, each asked for anew by what the one before ended with.
async fn pages(
    recount: &Recount,
    question: &Question,
    order: Order,
    reverse: bool,
    limit: usize,
) -> Vec<String> {
    let mut all = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut finder = recount.find(question).order(order).limit(limit);
        if reverse {
            finder = finder.reverse();
        }
        if let Some(after) = &after {
            finder = finder.after(after.parse().unwrap());
        }
        let page = finder.next_page().await.unwrap();
        assert!(page.entries.len() <= limit);
        all.extend(ids(&page.entries));
        match page.next {
            Some(next) => after = Some(next.to_string()),
            None => return all,
        }
    }
}

/// One handle, page after page.
async fn walked(finder: Finder) -> Vec<String> {
    let mut finder = finder;
    let mut all = Vec::new();
    while let Some(some) = finder.next_some().await.unwrap() {
        assert!(!some.is_empty());
        all.extend(ids(&some));
    }
    all
}

async fn answers_agree(events: &[Said], questions: &[Question], limit: usize) {
    let Disk { recount, _folder } = disk().await;
    for (number, said) in events.iter().enumerate() {
        // In appends of their own and together: some share a millisecond.
        recount.record(said.event(number)).await.unwrap();
    }
    let scanned = Recount::over(recount.log().clone());
    let everything = recount.events(recount_core::Query {
        range: recount_core::ReadRange::all(),
        filter: recount_core::Filter::default(),
    });
    let everything = everything.collect().await.unwrap();
    for question in questions {
        let mut expected: Vec<_> = everything.clone();
        expected.retain(|recorded| question.matches(recorded));
        let forward = ids(&expected);
        let mut backward = forward.clone();
        backward.reverse();
        for log in [&recount, &scanned] {
            let all = pages(log, question, Order::Recorded, false, limit).await;
            assert_eq!(all, forward, "{question}");
            let all = pages(log, question, Order::Recorded, true, limit).await;
            assert_eq!(all, backward, "{question} backward");
            let all = walked(log.find(question).limit(limit)).await;
            assert_eq!(all, forward, "{question} walked");
            let count = log.find(question).count().await.unwrap();
            assert_eq!(count, forward.len() as u64, "{question} counted");
        }
        expected.sort_by_key(keys::key);
        let mut happened = ids(&expected);
        for reverse in [false, true] {
            let all = pages(&recount, question, Order::Happened, reverse, limit).await;
            assert_eq!(all, happened, "{question} happened, reverse {reverse}");
            let mut finder = scanned.find(question).order(Order::Happened).limit(limit);
            if reverse {
                finder = finder.reverse();
            }
            assert_eq!(
                walked(finder).await,
                happened,
                "{question} happened, walked"
            );
            happened.reverse();
        }
        // What fits best is what is found at all, each once.
        let mut ranked = pages(&recount, question, Order::Relevance, false, limit).await;
        ranked.sort();
        let mut expected = forward;
        expected.sort();
        assert_eq!(ranked, expected, "{question} ranked");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn every_way_to_an_answer_finds_the_same(
        events in prop::collection::vec(said(), 1..40),
        questions in prop::collection::vec(asked(), 12),
        limit in 1..6_usize,
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(answers_agree(&events, &questions, limit));
    }
}

fn message(id: &str, session: &str, text: &str) -> Event {
    let data = json!({"role": "user", "content": text});
    Event::builder(EventType::MessageAdded, session)
        .id(id)
        .agent("a")
        .data(JsonObject::from_serialize(&data).unwrap())
        .build()
        .unwrap()
}

#[tokio::test]
async fn the_best_come_first_with_their_scores() {
    let Disk { recount, _folder } = disk().await;
    for (id, text) in [
        (
            "e1",
            "an order, and some more words about it that say little",
        ),
        ("e2", "order order refund"),
        ("e3", "nothing"),
    ] {
        recount.record(message(id, "s", text)).await.unwrap();
    }
    let mut finder = recount.find(&question("order")).order(Order::Relevance);
    let found = finder.next_page().await.unwrap();
    assert_eq!(ids(&found.entries), ["e2", "e1"]);
    assert!(found.scores[0] > found.scores[1], "{:?}", found.scores);
    assert_eq!(found.next, None);
}

#[tokio::test]
async fn what_is_recorded_between_two_pages_does_not_move_them() {
    let Disk { recount, _folder } = disk().await;
    for id in ["e1", "e2", "e3", "e4"] {
        recount.record(message(id, "s", "order")).await.unwrap();
    }
    for (order, reverse) in [
        (Order::Recorded, true),
        (Order::Happened, true),
        (Order::Relevance, false),
    ] {
        let question = question("order agent:a");
        let find = || {
            let finder = recount.find(&question).order(order).limit(3);
            if reverse { finder.reverse() } else { finder }
        };
        let first = find().next_page().await.unwrap();
        let late = format!("late-{order:?}");
        recount.record(message(&late, "s", "order")).await.unwrap();
        let mut finder = find().after(first.next.unwrap());
        let mut all = ids(&first.entries);
        loop {
            let page = finder.next_page().await.unwrap();
            all.extend(ids(&page.entries));
            if page.next.is_none() {
                break;
            }
        }
        assert!(!all.contains(&late), "{order:?}: {all:?}");
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len(), "{order:?}: {all:?}");
        assert!(
            ["e1", "e2", "e3", "e4"]
                .iter()
                .all(|id| all.iter().any(|found| found == id))
        );
    }
}

#[tokio::test]
async fn what_was_trimmed_is_neither_found_nor_counted() {
    let Disk { recount, _folder } = disk().await;
    for id in ["e1", "e2", "e3"] {
        recount.record(message(id, "s", "order")).await.unwrap();
    }
    let question = question("order");
    assert_eq!(recount.find(&question).count().await.unwrap(), 3);
    let request = TrimRequest::exact(TrimLimit::MaxLength(1));
    recount.trim(&request).await.unwrap();
    assert_eq!(recount.find(&question).count().await.unwrap(), 1);
    for order in [Order::Recorded, Order::Happened, Order::Relevance] {
        let found = pages(&recount, &question, order, false, 2).await;
        assert_eq!(found, ["e3"], "{order:?}");
    }
}

#[tokio::test]
async fn without_views_only_a_ranking_is_refused() {
    let Disk { recount, _folder } = disk().await;
    let batch = ["e1", "e2"].map(|id| message(id, "s", "order"));
    recount.append(Batch::new(batch.to_vec())).await.unwrap();
    let bare = Recount::over(recount.log().clone());
    let question = question("order");
    assert_eq!(bare.find(&question).count().await.unwrap(), 2);
    let error = bare
        .find(&question)
        .order(Order::Relevance)
        .next_page()
        .await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("views need a log that was opened by its URL"),
        "{error}"
    );
}

#[tokio::test]
async fn a_cursor_of_another_order_is_refused() {
    let Disk { recount, _folder } = disk().await;
    recount.record(message("e1", "s", "order")).await.unwrap();
    let cursor: PageCursor = "ra.5-0.0.00000000".parse().unwrap();
    let question = question("");
    let refused = recount
        .find(&question)
        .reverse()
        .after(cursor)
        .next_page()
        .await;
    assert!(matches!(
        refused,
        Err(FindError::Cursor(InvalidPageCursor::OtherOrder))
    ));
}

#[tokio::test]
async fn a_search_tells_how_far_it_is() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    let Disk { recount, _folder } = disk().await;
    for id in ["e1", "e2", "e3"] {
        recount.record(message(id, "s", "order")).await.unwrap();
    }
    let entries = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&entries);
    let question = question("id:nobody");
    let mut finder = recount.find(&question).watch(move |looked: Looked| {
        assert!(looked.at > EntryId::MIN);
        told.store(looked.entries, Ordering::Relaxed);
    });
    assert_eq!(finder.next_some().await.unwrap(), None);
    assert_eq!(entries.load(Ordering::Relaxed), 3);
}
