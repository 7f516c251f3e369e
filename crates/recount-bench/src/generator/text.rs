//! Text that compresses about as well as what people and models write.

use std::fmt::Write as _;

use super::rng::Rng;

/// Sentences of at least `bytes` bytes. Common words stand first in the list and are drawn most
/// often, and half of the words bring along the one that usually follows them, as in real text.
pub fn text(json: &mut String, bytes: u64, rng: &mut Rng) {
    let end = json.len() + bytes as usize;
    let mut follower = None;
    let mut in_sentence = 0;
    while json.len() < end {
        let word = follower
            .take()
            .unwrap_or_else(|| rng.skewed(1..=WORDS.len() as u64) as usize - 1);
        if in_sentence > 0 {
            json.push(' ');
        }
        json.push_str(WORDS[word]);
        in_sentence += 1;
        if rng.chance(50) {
            follower = Some((word * 31 + 7) % WORDS.len());
        }
        if in_sentence > 6 && rng.chance(15) {
            json.push_str(". ");
            in_sentence = 0;
        } else if rng.chance(3) {
            let _ = write!(json, " {:05}", rng.below(100_000));
        }
    }
    json.push('.');
}

/// Words, the common ones first.
#[rustfmt::skip]
pub const WORDS: &[&str] = &[
    "the", "to", "you", "your", "I", "a", "and", "for", "is", "of", "flight", "would", "on", "can",
    "like", "with", "please", "this", "in", "have", "that", "reservation", "are", "my", "it", "be",
    "not", "will", "me", "as", "help", "if", "from", "was", "change", "one", "we", "there", "any",
    "card", "payment", "or", "details", "provide", "cancel", "at", "need", "but", "here", "know",
    "let", "credit", "business", "economy", "class", "total", "gift", "proceed", "due", "travel",
    "insurance", "passenger", "bags", "date", "May", "confirm", "return", "do", "refund", "options",
    "cost", "so", "could", "number", "direct", "just", "upgrade", "airline", "policy", "same",
    "available", "use", "different", "trip", "bag", "checked", "seat", "time", "morning", "evening",
    "agent", "human", "certificate", "also", "both", "user", "name", "no", "yes", "thank", "assist",
    "further", "request", "original", "method", "balance", "cabin", "option", "make", "book",
    "booking", "all", "per", "how", "much", "which", "when", "what", "sure", "account", "check",
    "prefer", "nonstop", "layover", "earliest", "latest", "cheapest", "between", "before", "after",
    "within", "hours", "cancelled", "delayed", "compensation", "member", "gold", "silver",
    "regular", "unfortunately", "however", "eligible", "allowed", "basic", "fare", "difference",
    "price", "segments", "outbound", "inbound", "destination", "Boston", "Chicago", "Denver",
    "Houston", "Seattle", "Phoenix", "Atlanta", "Orlando", "Philadelphia", "Charlotte", "Detroit",
    "Minneapolis", "currently", "information", "process", "review", "update", "following",
    "departure", "arrival", "scheduled", "selected", "added", "remove", "keep", "other", "another",
    "because", "sister", "family", "wedding", "meeting", "sick", "work", "tomorrow", "Friday",
    "Sunday", "understand", "apologize", "inconvenience", "situation", "possible", "alternative",
    "instead", "waive", "fee", "cover", "split", "across", "remaining", "funds", "deducted",
    "charged", "issued", "voucher", "receive", "email", "days",
];
