//! The pool of payloads.

use std::fmt::Write as _;

use recount_core::JsonObject;

use super::rng::Rng;
use super::text::{WORDS, text};

/// Calls of tools in the pool, each with an answer and an error.
pub const CALLS: u64 = 8_000;

/// How many payloads of each kind the pool holds: about 15 MB in all.
const POOL: &[(Kind, usize)] = &[
    (Kind::SessionStarted, 500),
    (Kind::SessionEnded, 500),
    (Kind::System, 20),
    (Kind::User, 10_000),
    (Kind::Assistant, 10_000),
    (Kind::ToolCalled, CALLS as usize),
    (Kind::ToolReturned, CALLS as usize),
    (Kind::Error, CALLS as usize),
    (Kind::Search, 1_000),
    (Kind::Summary, 1_000),
    (Kind::Cleared, 100),
];

/// What an event is, a little finer than its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Before the session's first event.
    Nothing,
    SessionStarted,
    SessionEnded,
    System,
    User,
    Assistant,
    ToolCalled,
    ToolReturned,
    Error,
    Search,
    Summary,
    Cleared,
}

/// Checked payloads, shared by the events that are given them.
pub struct Pool(Vec<Vec<JsonObject>>);

impl Pool {
    pub fn new(rng: &mut Rng) -> Self {
        let mut pool = vec![Vec::new(); Kind::Cleared as usize + 1];
        for &(kind, count) in POOL {
            pool[kind as usize] = (0..count as u64)
                .map(|number| payload(kind, number, rng))
                .collect();
        }
        Self(pool)
    }

    /// A payload of this kind; what is about a call, of call number `call`.
    pub fn pick(&self, kind: Kind, call: u64, rng: &mut Rng) -> JsonObject {
        let payloads = &self.0[kind as usize];
        match kind {
            Kind::ToolCalled | Kind::ToolReturned | Kind::Error => payloads[call as usize].clone(),
            _ => rng.pick(payloads).clone(),
        }
    }

    /// Bytes of all the payloads.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        let payloads = self.0.iter().flatten();
        payloads.map(|data| data.as_bytes().len()).sum()
    }
}

fn payload(kind: Kind, number: u64, rng: &mut Rng) -> JsonObject {
    let mut json = String::new();
    match kind {
        Kind::Nothing | Kind::SessionStarted => {
            let _ = write!(
                json,
                r#"{{"metadata":{{"channel":"{}","task_id":{},"model":"assistant-large-2"}}}}"#,
                rng.pick(&["web", "phone", "app"]),
                rng.below(50),
            );
        }
        Kind::SessionEnded => {
            let _ = write!(
                json,
                r#"{{"reason":"{}","duration_ms":{},"reward":{}}}"#,
                rng.pick(&["completed", "completed", "timeout", "error"]),
                rng.skewed(10_000..=3_600_000),
                rng.below(2),
            );
        }
        Kind::System => message(&mut json, "system", 6_000, rng),
        Kind::User => {
            let bytes = rng.skewed(50..=280);
            message(&mut json, "user", bytes, rng);
        }
        Kind::Assistant => {
            let bytes = rng.skewed(130..=1_100);
            message(&mut json, "assistant", bytes, rng);
        }
        Kind::ToolCalled => {
            let tool = tool(&mut json, number);
            json.push_str(r#","arguments":"#);
            let records = if tool == "book_reservation" { 14 } else { 4 };
            object(&mut json, records, rng);
            json.push('}');
        }
        Kind::ToolReturned => {
            tool(&mut json, number);
            json.push_str(r#","result":["#);
            // Most answers are about one thing, some are long lists.
            let records = match rng.below(100) {
                0..25 => 0,
                25..95 => 1 + rng.below(6),
                _ => rng.skewed(12..=34),
            };
            for record in 0..records {
                json.push_str(if record == 0 { "" } else { "," });
                object(&mut json, 7, rng);
            }
            let _ = write!(json, r#"],"duration_ms":{}}}"#, rng.skewed(5..=5_000));
        }
        Kind::Error => {
            tool(&mut json, number);
            json.push_str(r#","code":"not_found","message":"Error: "#);
            text(&mut json, 60, rng);
            json.push_str("\"}");
        }
        Kind::Search => {
            json.push_str(r#"{"query":""#);
            text(&mut json, 30, rng);
            let _ = write!(
                json,
                r#"","results_count":{},"duration_ms":{}}}"#,
                rng.below(20),
                rng.skewed(1..=200),
            );
        }
        Kind::Summary => {
            json.push_str(r#"{"summary":""#);
            text(&mut json, 800, rng);
            let _ = write!(json, r#"","message_count":{}}}"#, rng.skewed(10..=200));
        }
        Kind::Cleared => {
            let _ = write!(
                json,
                r#"{{"reason":"asked by the user","message_count":{}}}"#,
                rng.below(200),
            );
        }
    }
    JsonObject::parse(json).expect("the generator writes JSON objects")
}

fn message(json: &mut String, role: &str, bytes: u64, rng: &mut Rng) {
    let _ = write!(json, r#"{{"role":"{role}","content":""#);
    text(json, bytes, rng);
    let _ = write!(json, r#"","tokens":{}}}"#, bytes / 4 + 1);
}

/// Opens the object and writes which call it is about, and of which tool.
fn tool(json: &mut String, call: u64) -> &'static str {
    let mut own = Rng::new(call);
    let tool = *own.pick(TOOLS);
    let _ = write!(
        json,
        r#"{{"tool":"{tool}","call_id":"call_{:016x}""#,
        own.next()
    );
    tool
}

/// An object of a record's usual fields: names, codes, numbers, dates, prices.
fn object(json: &mut String, fields: u64, rng: &mut Rng) {
    json.push('{');
    let first = rng.below(FIELDS.len() as u64);
    for i in 0..fields {
        let name = FIELDS[((first + i) % FIELDS.len() as u64) as usize];
        let _ = write!(json, r#"{}"{name}":"#, if i == 0 { "" } else { "," });
        let _ = match rng.below(5) {
            0 => write!(json, "{}", rng.skewed(1..=2_000)),
            1 => write!(
                json,
                r#""2026-0{}-{:02}""#,
                1 + rng.below(9),
                1 + rng.below(28)
            ),
            2 => write!(json, r#""{}""#, rng.pick(WORDS)),
            3 => write!(json, r#""{} {}""#, rng.pick(WORDS), rng.pick(WORDS)),
            _ => write!(json, r#""{:06X}""#, rng.below(1 << 24)),
        };
    }
    json.push('}');
}

#[rustfmt::skip]
const TOOLS: &[&str] = &[
    "get_reservation_details", "get_user_details", "search_direct_flight", "search_onestop_flight",
    "book_reservation", "update_reservation", "cancel_reservation", "calculate", "list_airports",
    "send_certificate", "transfer_to_human", "think",
];

#[rustfmt::skip]
const FIELDS: &[&str] = &[
    "reservation_id", "user_id", "origin", "destination", "flight_number", "date", "cabin",
    "status", "price", "passengers", "payment_id", "insurance", "total_baggages", "created_at",
    "departure_time", "arrival_time", "available_seats", "membership", "amount", "reason",
];
