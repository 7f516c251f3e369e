//! Whether and where a single text holds words, without an index.

use std::ops::Range;

use super::words;
use crate::{Question, Term};

/// Whether `text` holds what `term` looks for in texts, found as the index of texts finds it: a word in
/// any case, with or without accents; of several words, all next to one another in their order.
///
/// False where the term looks for no word (it holds neither letter nor digit), or not in texts.
pub fn contains(text: &str, term: &Term) -> bool {
    let (Term::Word(wanted) | Term::Phrase(wanted)) = term else {
        return false;
    };
    let wanted = words::of(wanted);
    let mut found = false;
    runs(text, &wanted, |_| {
        found = true;
        false
    });
    found
}

/// Hands every place at which `wanted` stands in `text` to `take`, until that says no more.
fn runs(text: &str, wanted: &[String], mut take: impl FnMut(Range<usize>) -> bool) {
    let Some(first) = wanted.first() else {
        return;
    };
    // How many words of each run that began are there, and where it began.
    let mut begun: Vec<(usize, usize)> = Vec::new();
    words::each(text, |token| {
        begun.retain_mut(|(matched, _)| {
            *matched += 1;
            wanted[*matched - 1] == token.text
        });
        if *first == token.text {
            begun.push((1, token.offset_from));
        }
        match begun.first() {
            Some(&(matched, from)) if matched == wanted.len() => {
                begun.remove(0);
                take(from..token.offset_to)
            }
            _ => true,
        }
    });
}

/// A part of a text, for people to see why it was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// One line: runs of white space are one space each, and `…` stands where something was left out.
    pub text: String,
    /// Where in it what was looked for stands, as bytes: in order, none within another.
    pub marks: Vec<Range<usize>>,
}

/// The part of `text` around the first place that `question` finds, `width` characters of it at most, the
/// dots at its ends included. Where it finds nothing, the beginning.
pub fn excerpt(text: &str, question: &Question, width: usize) -> Excerpt {
    let marks = marks(text, question);
    let width = width.max(3) - 2;
    let from = marks
        .first()
        .map_or(0, |mark| begin(text, mark.start, width));
    let mut shown = Excerpt::default();
    if from > 0 {
        shown.text.push('…');
    }
    let mut open = None;
    let mut next = marks.iter().peekable();
    let mut end = text.len();
    let mut taken = 0;
    let mut after_blank = true;
    for (at, c) in text[from..].char_indices().map(|(at, c)| (from + at, c)) {
        if open.is_some_and(|(_, to)| at >= to) {
            shown.close(open.take());
        }
        if taken == width {
            end = at;
            break;
        }
        while next.peek().is_some_and(|mark| mark.start < at) {
            next.next();
        }
        if let Some(mark) = next.next_if(|mark| mark.start == at) {
            open = Some((shown.text.len(), mark.end));
        }
        let blank = c.is_whitespace() || c.is_control();
        if !(blank && after_blank) {
            shown.text.push(if blank { ' ' } else { c });
            taken += 1;
        }
        after_blank = blank;
    }
    shown.close(open);
    if end < text.len() {
        shown.text.push('…');
    } else {
        let kept = shown.marks.last().map_or(0, |mark| mark.end);
        shown.text.truncate(shown.text.trim_end().len().max(kept));
    }
    shown
}

impl Excerpt {
    fn close(&mut self, open: Option<(usize, usize)>) {
        if let Some((from, _)) = open {
            self.marks.push(from..self.text.len());
        }
    }
}

/// All places that the question's words and phrases find, in order, those within others left out.
fn marks(text: &str, question: &Question) -> Vec<Range<usize>> {
    let mut marks = Vec::new();
    for clause in question.clauses.iter().filter(|clause| !clause.negated) {
        if let Term::Word(wanted) | Term::Phrase(wanted) = &clause.term {
            runs(text, &words::of(wanted), |place| {
                marks.push(place);
                true
            });
        }
    }
    marks.sort_by_key(|mark| (mark.start, usize::MAX - mark.end));
    let mut end = 0;
    marks.retain(|mark| {
        let apart = mark.start >= end;
        end = end.max(mark.end);
        apart
    });
    marks
}

/// Where to begin, so that what stands at `at` is seen: a third of the width is for what comes before, more
/// where the end is near, less so as not to begin within a word.
fn begin(text: &str, at: usize, width: usize) -> usize {
    let from = before(text, at, width / 3).min(before(text, text.len(), width));
    if from == 0 || text[..from].ends_with(char::is_whitespace) {
        return from;
    }
    let mut spaces = text[from..at]
        .char_indices()
        .filter(|(_, c)| c.is_whitespace());
    spaces
        .next()
        .map_or(from, |(space, c)| from + space + c.len_utf8())
}

/// The start of the character that stands `count` characters before `at`.
fn before(text: &str, at: usize, count: usize) -> usize {
    text[..at]
        .char_indices()
        .rev()
        .take(count)
        .last()
        .map_or(at, |(start, _)| start)
}
