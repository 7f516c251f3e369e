use super::writer::Writer;
use super::*;
use crate::{Clause, Question, Term};
use recount_core::*;
use std::time::Instant;
struct Rng(u64);
impl Rng {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
fn event(n: u64, rng: &mut Rng) -> Recorded {
    let words = 20 + rng.next() % 100;
    let mut content = String::new();
    for _ in 0..words {
        let r = (rng.next() % 1_000_000) as f64 / 1e6;
        let w = (r * 30000f64.ln()).exp() as u64;
        content.push_str(&format!("w{w}x "));
    }
    let data = format!(r#"{{"role":"user","content":"{content}","tokens":12}}"#);
    let event = Event::builder(
        EventType::MessageAdded,
        format!("session-{}", rng.next() % 5000),
    )
    .user(format!("user-{}", rng.next() % 1000))
    .agent("support-agent")
    .trace(format!("trace-{}", rng.next() % 5000))
    .data(JsonObject::from_checked(data.into()))
    .build()
    .unwrap();
    Recorded {
        position: Position {
            partition: 0,
            entry_id: EntryId::new(1_700_000_000_000 + n, 0),
        },
        revision: 1,
        schema: Schema::default(),
        body: Body::Event(event),
    }
}
#[test]
#[ignore]
fn measure() {
    let n: u64 = std::env::var("N").unwrap().parse().unwrap();
    let dir = std::path::PathBuf::from(std::env::var("DIR").unwrap());
    let mut writer = Writer::create(&dir).unwrap();
    let mut rng = Rng(88172645463325252);
    let t = Instant::now();
    let mut gen_time = std::time::Duration::ZERO;
    let mut n0 = 0;
    let mut bytes = 0;
    while n0 < n {
        let g = Instant::now();
        let batch: Vec<_> = (n0..n0 + 2000).map(|n| event(n, &mut rng)).collect();
        bytes += batch
            .iter()
            .map(|e| e.event().unwrap().data.as_bytes().len())
            .sum::<usize>();
        gen_time += g.elapsed();
        writer.take(&batch).unwrap();
        n0 += 2000;
        if n0 % 50_000 == 0 {
            writer.commit("{}").unwrap();
        }
    }
    writer.commit("{}").unwrap();
    let all = t.elapsed();
    eprintln!(
        "{n} in {all:?} of which generating {gen_time:?}: {:.0}/s, {:.0}/s with generating; {} bytes/event",
        n as f64 / (all - gen_time).as_secs_f64(),
        n as f64 / all.as_secs_f64(),
        bytes as u64 / n
    );
    let d = Instant::now();
    drop(writer);
    eprintln!("drop {:?}", d.elapsed());
    eprintln!("index {} MB", files::bytes(&dir).unwrap() >> 20);
    ask(&dir);
}
#[test]
#[ignore]
fn ask_only() {
    ask(&std::path::PathBuf::from(std::env::var("DIR").unwrap()));
}
fn ask(dir: &std::path::Path) {
    let t = Instant::now();
    let reader = SearchReader::new(dir);
    let q = |terms: Vec<Term>| Question {
        clauses: terms
            .into_iter()
            .map(|term| Clause {
                negated: false,
                term,
            })
            .collect(),
    };
    let w = |w: &str| Term::Word(w.into());
    reader.count(&q(vec![w("w7x")])).unwrap();
    eprintln!("open and first {:?}", t.elapsed());
    for (name, question) in [
        ("common word", q(vec![w("w1x")])),
        ("medium", q(vec![w("w1500x")])),
        ("rare", q(vec![w("w29990x")])),
        ("two words", q(vec![w("w1x"), w("w300x")])),
        ("two rare", q(vec![w("w25000x"), w("w29000x")])),
        ("phrase", q(vec![Term::Phrase("w1x w20x".into())])),
        ("user", q(vec![Term::User(vec!["user-7".into()])])),
        ("agent", q(vec![Term::Agent(vec!["support-agent".into()])])),
        (
            "word user",
            q(vec![w("w20x"), Term::User(vec!["user-7".into()])]),
        ),
    ] {
        let time = |f: &dyn Fn() -> usize| {
            let mut v = Vec::new();
            let mut r = 0;
            for _ in 0..21 {
                let t = Instant::now();
                r = f();
                v.push(t.elapsed());
            }
            v.sort();
            (r, v[10])
        };
        eprintln!(
            "{name:12} count {:?} top {:?} newest {:?} oldest {:?} any {:?}",
            time(&|| reader.count(&question).unwrap() as usize),
            time(&|| reader.top(&question, 10, 0).unwrap().len()),
            time(&|| reader
                .find(&question, Order::Newest, None, 20)
                .unwrap()
                .len()),
            time(&|| reader
                .find(&question, Order::Oldest, None, 20)
                .unwrap()
                .len()),
            time(&|| reader
                .top_any(&Question::default(), "w1x w300x w9000x", 10)
                .unwrap()
                .len())
        );
    }
}
