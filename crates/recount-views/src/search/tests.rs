//! The index against the definition: what a question is true of, entry by entry.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use recount_core::{
    Body, EntryId, Event, EventType, JsonObject, Position, Recorded, Schema, Timestamp, Undecodable,
};

use super::writer::Writer;
use super::*;
use crate::checkpoint::Kept;
use crate::projection::Kind as _;
use crate::views::ViewError;
use crate::{Clause, Question, Term};

fn question(terms: &[(bool, Term)]) -> Question {
    let clause = |(negated, term): &(bool, Term)| Clause {
        negated: *negated,
        term: term.clone(),
    };
    Question {
        clauses: terms.iter().map(clause).collect(),
    }
}

fn word(word: &str) -> Question {
    question(&[(false, Term::Word(word.into()))])
}

fn position(partition: u32, ms: u64, seq: u64) -> Position {
    Position {
        partition,
        entry_id: EntryId::new(ms, seq),
    }
}

fn message(position: Position, content: &str) -> Recorded {
    let content = serde_json::json!({ "role": "user", "content": content });
    let event = Event::builder(EventType::MessageAdded, "s1")
        .id(format!("e{position}"))
        .data(JsonObject::from_serialize(&content).unwrap())
        .build()
        .unwrap();
    recorded(position, Body::Event(event))
}

fn recorded(position: Position, body: Body) -> Recorded {
    Recorded {
        position,
        revision: 0,
        schema: Schema::default(),
        body,
    }
}

fn positions(hits: &[Hit]) -> Vec<Position> {
    hits.iter().map(|hit| hit.position).collect()
}

fn found(dir: &Path, question: &Question) -> Vec<Position> {
    let hits = SearchReader::new(dir).find(question, Order::Oldest, None, 1000);
    positions(&hits.unwrap())
}

/// What an event is made of: its type, its text, who it belongs to, and when it happened.
type Parts = (EventType, String, [usize; 4], i64);

/// Small alphabets, so that questions hit.
fn parts() -> impl Strategy<Value = Parts> {
    let types = prop::sample::select(vec![
        EventType::MessageAdded,
        EventType::ToolCalled,
        EventType::ErrorOccurred,
        EventType::SessionStarted,
        EventType::new("order.sent").unwrap(),
    ]);
    let ids = prop::array::uniform4(0..3_usize);
    (types, text(12), ids, 0..50_i64)
}

const WORDS: [&str; 8] = [
    "refund",
    "Refund!",
    "café",
    "cafe\u{301}",
    "東京",
    "a-b",
    "…",
    "timeout",
];

fn text(words: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&WORDS[..]), 0..=words)
        .prop_map(|words| words.join(" "))
}

fn term() -> impl Strategy<Value = Term> {
    let id = |prefix: &'static str| {
        prop::collection::vec((0..4_usize).prop_map(move |n| format!("{prefix}{n}")), 1..3)
    };
    let place = (0..60_u64, 0..3_u64).prop_map(|(ms, seq)| EntryId::new(ms, seq));
    let time = (0..50_i64).prop_map(|ms| Timestamp::from_millis(ms).unwrap());
    prop_oneof![
        id("s").prop_map(Term::Session),
        id("u").prop_map(Term::User),
        id("a").prop_map(Term::Agent),
        id("t").prop_map(Term::Trace),
        id("e").prop_map(Term::Id),
        Just(Term::Type(vec![
            EventType::ToolCalled,
            EventType::new("order.sent").unwrap()
        ])),
        place.clone().prop_map(Term::Since),
        place.prop_map(Term::Until),
        time.clone().prop_map(Term::HappenedSince),
        time.prop_map(Term::HappenedUntil),
        prop::sample::select(&WORDS[..]).prop_map(|word| Term::Word(word.into())),
        text(3).prop_map(Term::Phrase),
    ]
}

/// Entries of three partitions, each in its order, the partitions one after another or mixed.
fn log() -> impl Strategy<Value = Vec<Recorded>> {
    let entry = (parts(), 0..3_u32, 0..2_u64);
    prop::collection::vec(entry, 1..60).prop_map(|events| {
        let mut tails = [EntryId::new(1, 0); 3];
        let entries = events.into_iter().enumerate();
        let entry = |(n, (parts, partition, step)): (usize, (Parts, u32, u64))| {
            let (event_type, text, ids, happened) = parts;
            let tail: &mut EntryId = &mut tails[partition as usize];
            *tail = match step {
                0 => EntryId::new(tail.ms, tail.seq + 1),
                step => EntryId::new(tail.ms + step, 0),
            };
            let data = serde_json::json!({
                "content": [text, n], "arguments": {"x": text}, "message": text, "metadata": {"m": text},
            });
            let mut event = Event::builder(event_type, format!("s{}", ids[0]))
                .id(format!("e{n}"))
                .timestamp(Timestamp::from_millis(happened).unwrap())
                .data(JsonObject::from_serialize(&data).unwrap())
                .build()
                .unwrap();
            let id = |prefix: &str, n: usize| (n > 0).then(|| format!("{prefix}{n}"));
            event.user_id = id("u", ids[1]);
            event.agent_id = id("a", ids[2]);
            event.trace_id = id("t", ids[3]);
            let position = Position {
                partition,
                entry_id: *tail,
            };
            recorded(position, Body::Event(event))
        };
        entries.map(entry).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever is asked and however the entries were committed: what is found is what the question is true
    /// of, in order, in pages, as many as are counted.
    #[test]
    fn the_index_finds_what_a_question_is_true_of(
        log in log(),
        commit in 1..20_usize,
        questions in prop::collection::vec(
            prop::collection::vec((any::<bool>(), term()), 0..4), 1..12),
        page in 1..7_usize,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::create(dir.path()).unwrap();
        for entries in log.chunks(commit) {
            writer.take(entries).unwrap();
            writer.commit("").unwrap();
        }
        let reader = SearchReader::new(dir.path());
        for terms in &questions {
            let question = question(terms);
            let mut expected: Vec<Position> = log
                .iter()
                .filter(|entry| question.matches(entry))
                .map(|entry| entry.position)
                .collect();
            expected.sort_by_key(|position| (position.entry_id, position.partition));
            prop_assert_eq!(reader.count(&question).unwrap(), expected.len() as u64, "{}", question);

            let mut best = positions(&reader.top(&question, 100, 0).unwrap());
            let mut rest = positions(&reader.top(&question, 100, page).unwrap());
            prop_assert_eq!(rest.len(), expected.len().saturating_sub(page));
            best.sort_by_key(|position| (position.entry_id, position.partition));
            prop_assert_eq!(&best, &expected, "{}", &question);
            rest.retain(|hit| !expected.contains(hit));
            prop_assert_eq!(rest, vec![]);

            for order in [Order::Oldest, Order::Newest] {
                let mut pages = Vec::new();
                loop {
                    let hits = reader.find(&question, order, pages.last().copied(), page).unwrap();
                    prop_assert!(hits.len() <= page);
                    pages.extend(positions(&hits));
                    if hits.len() < page {
                        break;
                    }
                }
                prop_assert_eq!(&pages, &expected, "{:?} {}", order, question);
                expected.reverse();
            }
        }
    }

    /// The words that an index is asked for, a list is ranked by and a text is looked through for are the same.
    #[test]
    fn words_are_the_same_everywhere(text in "\\PC{0,40}", from in 0..40_usize, length in 1..20_usize) {
        let asked: String = text.chars().skip(from).take(length).collect();
        let there = contains(&text, &Term::Phrase(asked.clone()));
        prop_assert_eq!(contains(&text, &Term::Word(asked.clone())), there);
        if words::of(&asked).len() == 1 {
            prop_assert_eq!(!rank(&[&text], &asked, 1).is_empty(), there);
        }
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::create(dir.path()).unwrap();
        writer.take(&[message(position(0, 1, 0), &text)]).unwrap();
        writer.commit("").unwrap();
        prop_assert_eq!(found(dir.path(), &word(&asked)).len(), usize::from(there), "{:?} {:?}", text, asked);
    }
}

#[test]
fn the_newest_and_the_oldest_of_many_are_found_through_merges() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(dir.path()).unwrap();
    let place = |n: u64| position((n % 2) as u32, n / 2 + 1, 0);
    for part in 0..40 {
        let entries: Vec<Recorded> = (part * 600..(part + 1) * 600)
            .map(|n| {
                let rare = if n % 5000 == 0 { " rare" } else { "" };
                message(place(n), &format!("all of them{rare}"))
            })
            .collect();
        writer.take(&entries).unwrap();
        writer.commit("").unwrap();
    }
    drop(writer);
    let segments = files::open(dir.path()).unwrap().searchable_segments();
    assert!(segments.unwrap().len() < 20);
    let reader = SearchReader::new(dir.path());
    let find = |question: &Question, order, after| {
        positions(&reader.find(question, order, after, 7).unwrap())
    };
    let newest: Vec<Position> = (0..24_000).rev().take(7).map(place).collect();
    assert_eq!(find(&word("them"), Order::Newest, None), newest);
    let middle: Vec<Position> = (12_001..12_008).map(place).collect();
    let after = Some(place(12_000));
    assert_eq!(find(&word("them"), Order::Oldest, after), middle);
    let middle: Vec<Position> = (11_993..12_000).rev().map(place).collect();
    assert_eq!(find(&word("them"), Order::Newest, after), middle);
    let rare = [0, 5000, 10_000, 15_000, 20_000].map(place);
    assert_eq!(find(&word("rare"), Order::Oldest, None), rare);
    assert_eq!(reader.count(&word("them")).unwrap(), 24_000);
}

#[test]
fn the_rarer_and_the_more_often_the_better() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(dir.path()).unwrap();
    let texts = [
        "the order",
        "the refund of the order",
        "refund refund",
        "the weather",
    ];
    let entries: Vec<Recorded> = (1..)
        .zip(texts)
        .map(|(ms, text)| message(position(0, ms, 0), text))
        .collect();
    writer.take(&entries).unwrap();
    writer.commit("").unwrap();
    let reader = SearchReader::new(dir.path());
    let ms = |hits: Vec<Hit>| -> Vec<u64> {
        assert!(hits.windows(2).all(|pair| pair[0].score >= pair[1].score));
        hits.iter().map(|hit| hit.position.entry_id.ms).collect()
    };
    assert_eq!(ms(reader.top(&word("refund"), 9, 0).unwrap()), [3, 2]);
    assert_eq!(ms(reader.top(&word("refund"), 1, 1).unwrap()), [2]);
    let all = Question::default();
    assert_eq!(
        ms(reader.top_any(&all, "order refund", 9).unwrap()),
        [2, 3, 1]
    );
    assert_eq!(ms(reader.top_any(&all, "…", 9).unwrap()), [0; 0]);
    assert_eq!(ms(reader.top(&all, 2, 1).unwrap()), [3, 2]);
}

#[test]
fn a_long_message_is_found_by_its_beginning_and_nothing_breaks_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(dir.path()).unwrap();
    let long = format!("beginning {} end", "x".repeat(1 << 20));
    let many = format!("beginning {} end", "many words ".repeat(90_000));
    let undecodable = Body::Undecodable(Undecodable {
        reason: "no type".into(),
        fields: vec![("text".into(), "beginning".into())],
    });
    let entries = [
        message(position(0, 1, 0), &long),
        message(position(0, 2, 0), &many),
        message(position(0, 3, 0), ""),
        recorded(position(0, 4, 0), undecodable),
    ];
    writer.take(&entries).unwrap();
    writer.commit("").unwrap();
    for asked in [
        word("beginning"),
        word("end"),
        word(&"x".repeat(100)),
        Question::default(),
    ] {
        let expected: Vec<Position> = entries[..3]
            .iter()
            .filter(|entry| asked.matches(entry))
            .map(|entry| entry.position)
            .collect();
        assert_eq!(found(dir.path(), &asked), expected, "{asked}");
    }
}

#[test]
fn what_was_not_committed_is_gone_and_taken_in_again() {
    let dir = tempfile::tempdir().unwrap();
    let entries: Vec<Recorded> = (1..=9)
        .map(|ms| message(position(0, ms, 0), "word"))
        .collect();
    let mut writer = Writer::create(dir.path()).unwrap();
    writer.take(&entries[..3]).unwrap();
    writer.commit("three").unwrap();
    writer.take(&entries[3..7]).unwrap();
    writer.roll_back().unwrap();
    assert_eq!(found(dir.path(), &word("word")).len(), 3);
    writer.take(&entries[3..5]).unwrap();
    writer.commit("five").unwrap();
    writer.take(&entries[5..]).unwrap();
    // As at a crash: what was staged is not committed.
    drop(writer);
    let (mut writer, note) = Writer::open(dir.path()).unwrap();
    assert_eq!(note.as_deref(), Some("five"));
    writer.take(&entries[5..]).unwrap();
    writer.commit("nine").unwrap();
    let expected: Vec<Position> = entries.iter().map(|entry| entry.position).collect();
    assert_eq!(found(dir.path(), &word("word")), expected);
}

#[test]
fn a_reader_sees_commits_and_an_index_that_was_made_anew() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("search");
    let reader = SearchReader::new(&dir);
    assert_eq!(reader.count(&word("word")).unwrap(), 0);
    for round in 0..2 {
        let mut writer = Writer::create(&dir).unwrap();
        for ms in 1..=20 {
            writer.take(&[message(position(0, ms, 0), "word")]).unwrap();
            writer.commit("").unwrap();
            assert_eq!(reader.count(&word("word")).unwrap(), ms, "{round}");
        }
        drop(writer);
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(reader.count(&word("word")).unwrap(), 0);
    }
}

#[test]
fn a_reader_that_may_not_lock_goes_without() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(dir.path()).unwrap();
    writer.take(&[message(position(0, 1, 0), "word")]).unwrap();
    writer.commit("").unwrap();
    drop(writer);
    let lock = dir.path().join(".tantivy-meta.lock");
    let _ = fs::remove_file(&lock);
    fs::create_dir(&lock).unwrap();
    assert_eq!(found(dir.path(), &word("word")).len(), 1);
}

/// Through the runner's trait: entries and checkpoint together, a new index where there is none.
#[test]
fn the_projection_keeps_its_checkpoint_with_the_index() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("search");
    let entries: Vec<Recorded> = (1..=9)
        .map(|ms| message(position(0, ms, 0), "word"))
        .collect();
    assert_eq!(SearchKind.look(&dir).unwrap(), None);
    let mut projection = SearchKind.open(&dir).unwrap();
    assert_eq!(*projection.kept(), Kept::default());
    let mut kept = Kept {
        version: SearchKind.version(),
        ..Kept::default()
    };
    for part in entries.chunks(4) {
        projection.take(part).unwrap();
        kept.checkpoint.advance(part, None);
        projection.commit(&kept).unwrap();
        assert_eq!(SearchKind.look(&dir).unwrap().as_ref(), Some(&kept));
    }
    drop(projection);
    assert_eq!(*SearchKind.open(&dir).unwrap().kept(), kept);
    assert_eq!(found(&dir, &word("word")).len(), 9);
    SearchKind.remove(&dir).unwrap();
    SearchKind.remove(&dir).unwrap();
    assert_eq!(SearchKind.look(&dir).unwrap(), None);
    assert_eq!(found(&dir, &word("word")).len(), 0);
}

#[test]
fn what_was_trimmed_goes_with_the_next_commit() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(dir.path()).unwrap();
    for partition in 0..2 {
        let entries: Vec<Recorded> = (1..=9)
            .map(|ms| message(position(partition, ms, 0), "word"))
            .collect();
        writer.take(&entries).unwrap();
        writer.commit("").unwrap();
    }
    writer.trim(position(1, 6, 0)).unwrap();
    writer.commit("").unwrap();
    let of = |partition: u32, from: u64| (from..=9).map(move |ms| position(partition, ms, 0));
    let mut expected: Vec<Position> = of(0, 1).chain(of(1, 6)).collect();
    expected.sort_by_key(|position| (position.entry_id, position.partition));
    assert_eq!(found(dir.path(), &word("word")), expected);
    let reader = SearchReader::new(dir.path());
    assert_eq!(reader.count(&word("word")).unwrap(), 13);
    assert_eq!(reader.top(&word("word"), 99, 0).unwrap().len(), 13);
}

#[test]
fn damage_is_found_when_the_index_is_opened_for_writing() {
    let root = tempfile::tempdir().unwrap();
    let sound = root.path().join("sound");
    let mut writer = Writer::create(&sound).unwrap();
    let entries: Vec<Recorded> = (1..=500)
        .map(|ms| message(position(0, ms, 0), &format!("some words {ms}")))
        .collect();
    writer.take(&entries).unwrap();
    writer.commit("{}").unwrap();
    drop(writer);
    let names: Vec<_> = fs::read_dir(&sound)
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .filter(|name| {
            ![".tantivy", ".seal"]
                .iter()
                .any(|it| name.to_string_lossy().contains(it))
        })
        .collect();
    assert!(names.len() > 3, "{names:?}");
    let harms: [fn(&mut Vec<u8>); 4] = [
        |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
        },
        |bytes| bytes.truncate(bytes.len() / 2),
        Vec::clear,
        |bytes| bytes.fill(0),
    ];
    for name in &names {
        for (harm, harmed) in harms.iter().enumerate() {
            let dir = root.path().join("harmed");
            fs::create_dir(&dir).unwrap();
            for name in &names {
                fs::copy(sound.join(name), dir.join(name)).unwrap();
            }
            let mut bytes = fs::read(dir.join(name)).unwrap();
            harmed(&mut bytes);
            fs::write(dir.join(name), &bytes).unwrap();
            let opened = Writer::open(&dir).map(|(_, note)| note);
            // One flipped bit may leave a text file readable, as another text.
            let json = name.to_string_lossy().ends_with(".json");
            let told = matches!(opened, Err(ViewError::Damaged { .. }));
            assert!(
                told || json && harm == 0,
                "{name:?}, harm {harm}: {opened:?}"
            );
            // Whatever a reader makes of it, it lives.
            let _ = SearchReader::new(&dir).find(&word("words"), Order::Newest, None, 9);
            fs::remove_dir_all(&dir).unwrap();
        }
    }
}

#[test]
fn an_excerpt_shows_what_was_found_and_where() {
    let shown = |text: &str, asked: &Question, width| {
        let shown = excerpt(text, asked, width);
        let mut marked = shown.text.clone();
        for mark in shown.marks.iter().rev() {
            marked.insert(mark.end, ']');
            marked.insert(mark.start, '[');
        }
        assert!(shown.text.chars().count() <= width, "{marked}");
        marked
    };
    let text = "Hello,\n\n I would like a  Réfund of my order, the refund that I was promised";
    let refund = word("refund");
    assert_eq!(
        shown(text, &refund, 200),
        "Hello, I would like a [Réfund] of my order, the [refund] that I was promised"
    );
    assert_eq!(
        shown(text, &refund, 32),
        "…like a [Réfund] of my order, the…"
    );
    assert_eq!(shown(text, &word("promised"), 20), "…I was [promised]");
    assert_eq!(shown(text, &word("absent"), 12), "Hello, I w…");
    assert_eq!(shown("", &refund, 12), "");
    let phrase = question(&[
        (false, Term::Phrase("like a refund".into())),
        (false, Term::Word("a".into())),
        (true, Term::Word("order".into())),
    ]);
    assert_eq!(
        shown("I like a refund, a b", &phrase, 80),
        "I [like a refund], [a] b"
    );
}
