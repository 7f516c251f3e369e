//! A summary without a model: the sentences that say most.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;

use super::{Said, SummarizeError, Summarizer, Summary, SummaryRequest};

/// Bytes of a sentence that is kept; a longer one is cut.
const SENTENCE_BYTES_MAX: usize = 300;
/// What a word still weighs once a sentence with it was taken: what was said need not be said again.
const SAID_ALREADY: f64 = 0.2;
/// Words that a sentence counts at least: without them the shortest would win.
const WORDS_MIN: usize = 5;
/// Words that hold English sentences together and say nothing of what they are about.
const WORDS_OF_NO_WEIGHT: &str = " a about all am an and any are as at be been but by can could did do does else \
    for from had has have he her here him his how i if in is it its just me more my no not of on one or our out \
    please she so some such than thank thanks that the their them then there these they this to too up us was we \
    well were what when where which who will with would yes you your ";

/// Picks sentences and keeps them as they are, in their order: those whose words matter most in the whole,
/// as long as they fit into a budget. The same messages make the same summary.
///
/// Words matter that come again, but not everywhere. What tools said is left out, and so are the
/// instructions of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extractive {
    /// Bytes of a summary at most, if no sentence is longer. Default: 1,200.
    pub bytes_max: usize,
}

impl Extractive {
    /// What summaries name as their model.
    pub const MODEL: &str = "extractive";
}

impl Default for Extractive {
    fn default() -> Self {
        Self { bytes_max: 1_200 }
    }
}

#[async_trait]
impl Summarizer for Extractive {
    async fn summarize(&self, request: &SummaryRequest) -> Result<Summary, SummarizeError> {
        let mut sentences = Vec::new();
        for line in request.earlier.iter().flat_map(|earlier| earlier.lines()) {
            sentences.push(line.trim().to_owned());
        }
        for Said { role, text } in &request.said {
            if role != "tool" && role != "system" {
                sentences.extend(split(text).map(|sentence| format!("{role}: {}", cut(sentence))));
            }
        }
        let mut met = HashSet::new();
        sentences.retain(|sentence| !sentence.is_empty() && met.insert(sentence.clone()));
        let text = self.best(&sentences).join("\n");
        if text.is_empty() {
            return Err(SummarizeError::Nothing);
        }
        Ok(Summary::new(text, Self::MODEL))
    }
}

impl Extractive {
    /// The sentences that say most, in their order.
    fn best(self, sentences: &[String]) -> Vec<&str> {
        let mut words = Words::default();
        let in_each: Vec<_> = sentences.iter().map(|text| words.of(text)).collect();
        let mut weights = words.weights(sentences.len());
        let mut left: Vec<_> = (0..sentences.len()).collect();
        let mut taken = Vec::new();
        let mut room = self.bytes_max;
        loop {
            // One at least, whatever the budget.
            left.retain(|&at| taken.is_empty() || sentences[at].len() < room);
            let scored = left.iter().map(|&at| (at, score(&in_each[at], &weights)));
            // Of equals the first.
            let best = scored.reduce(|best, next| if next.1 > best.1 { next } else { best });
            let Some((at, _)) = best else {
                break;
            };
            for &word in &in_each[at] {
                weights[word] *= SAID_ALREADY;
            }
            room = room.saturating_sub(sentences[at].len() + 1);
            left.retain(|&other| other != at);
            taken.push(at);
        }
        taken.sort_unstable();
        taken.into_iter().map(|at| &*sentences[at]).collect()
    }
}

/// Words by number, and in how many sentences each stands.
#[derive(Default)]
struct Words {
    numbers: HashMap<String, usize>,
    sentences: Vec<usize>,
}

impl Words {
    /// The numbers of the words of a sentence, each once.
    fn of(&mut self, sentence: &str) -> Vec<usize> {
        let words = sentence.split(|c: char| !c.is_alphanumeric());
        let words = words.map(str::to_lowercase);
        let mut found: Vec<_> = words
            .filter(|word| word.len() > 1 && !WORDS_OF_NO_WEIGHT.contains(&format!(" {word} ")))
            .map(|word| {
                let next = self.numbers.len();
                *self.numbers.entry(word).or_insert(next)
            })
            .collect();
        found.sort_unstable();
        found.dedup();
        self.sentences.resize(self.numbers.len(), 0);
        for &word in &found {
            self.sentences[word] += 1;
        }
        found
    }

    /// How much each word matters among so many sentences: more the more often it comes, and nothing if it
    /// comes everywhere.
    fn weights(&self, sentences: usize) -> Vec<f64> {
        /// What a word weighs that comes once.
        const ONCE: f64 = 0.25;
        let all = sentences as f64 + 1.0;
        let weight = |&in_so_many: &usize| {
            let number = in_so_many as f64;
            (number.ln() + ONCE) * (all / number).ln()
        };
        self.sentences.iter().map(weight).collect()
    }
}

/// What a sentence says, for its length.
fn score(words: &[usize], weights: &[f64]) -> f64 {
    let sum: f64 = words.iter().map(|&word| weights[word]).sum();
    sum / (words.len().max(WORDS_MIN) as f64).sqrt()
}

/// The sentences of a text: they end with a line, or with a mark and a space.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut after_mark = false;
    let ends = move |c: char| {
        let end = c == '\n' || after_mark && c.is_whitespace();
        after_mark = matches!(c, '.' | '!' | '?' | '。' | '！' | '？');
        end
    };
    text.split(ends)
        .map(str::trim)
        .filter(|sentence| sentence.chars().any(char::is_alphanumeric))
}

/// The beginning of a sentence that is too long.
fn cut(sentence: &str) -> String {
    if sentence.len() <= SENTENCE_BYTES_MAX {
        return sentence.to_owned();
    }
    let end = sentence.floor_char_boundary(SENTENCE_BYTES_MAX - '…'.len_utf8());
    format!("{}…", sentence[..end].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary_of(said: &[(&str, &str)], bytes_max: usize) -> Result<String, SummarizeError> {
        let request = SummaryRequest {
            session_id: "s".to_owned(),
            earlier: None,
            said: said
                .iter()
                .map(|(role, text)| Said::new(*role, *text))
                .collect(),
        };
        told(Extractive { bytes_max }, &request)
    }

    fn told(by: Extractive, request: &SummaryRequest) -> Result<String, SummarizeError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let summary = runtime.unwrap().block_on(by.summarize(request))?;
        assert_eq!(summary.model, "extractive");
        Ok(summary.text)
    }

    const TALK: [(&str, &str); 7] = [
        (
            "system",
            "You sell refunds. You sell refunds. You sell refunds.",
        ),
        (
            "user",
            "Hi there! My order 4711 arrived broken. I would like a refund for the order.",
        ),
        ("tool", "{\"refund\": \"refund\"}"),
        (
            "assistant",
            "I am sorry. The refund for order 4711 goes to your card.",
        ),
        ("user", "Nice weather, is it not?"),
        ("assistant", "Indeed. Is there anything else?"),
        ("user", "No. Thanks!"),
    ];

    #[test]
    fn the_sentences_that_matter_are_kept_in_their_order_within_the_budget() {
        let summary = summary_of(&TALK, 100).unwrap();
        assert_eq!(
            summary,
            "user: My order 4711 arrived broken.\n\
             assistant: The refund for order 4711 goes to your card."
        );
        for bytes_max in 60..400 {
            let summary = summary_of(&TALK, bytes_max).unwrap();
            assert!(summary.len() <= bytes_max, "{bytes_max}: {summary}");
        }
        // With room for all, all of it is there.
        let all = summary_of(&TALK, 10_000).unwrap();
        assert_eq!(all.lines().count(), 10, "{all}");
        assert_eq!(all.lines().last(), Some("user: Thanks!"));
    }

    #[test]
    fn what_was_said_need_not_be_said_again() {
        let again = [("user", "The printer burns.")].repeat(20);
        let other = [("user", "The cat sleeps.")];
        let summary = summary_of(&[&again[..], &other].concat(), 50).unwrap();
        assert!(summary.contains("cat"), "{summary}");
    }

    #[test]
    fn an_earlier_summary_is_weighed_with_the_rest() {
        let request = SummaryRequest {
            session_id: "s".to_owned(),
            earlier: Some("user: I live in Rome.\n\nassistant: Rome it is.".to_owned()),
            said: vec![Said::new("user", "How is Rome today?")],
        };
        let summary = told(Extractive::default(), &request).unwrap();
        assert_eq!(
            summary,
            "user: I live in Rome.\nassistant: Rome it is.\nuser: How is Rome today?"
        );
    }

    #[test]
    fn a_budget_that_is_too_small_for_any_sentence_keeps_one() {
        assert_eq!(
            summary_of(&[("user", "Hello you.")], 0).unwrap(),
            "user: Hello you."
        );
        let long = "wörter ".repeat(1_000);
        let summary = summary_of(&[("user", &long)], 0).unwrap();
        assert!(
            summary.len() < SENTENCE_BYTES_MAX + 10 && summary.ends_with('…'),
            "{summary}"
        );
    }

    #[test]
    fn without_text_there_is_no_summary() {
        for said in [
            &[][..],
            &[("user", "")],
            &[("user", "... !"), ("tool", "a result.")],
        ] {
            assert_eq!(
                summary_of(said, 100),
                Err(SummarizeError::Nothing),
                "{said:?}"
            );
        }
    }
}
