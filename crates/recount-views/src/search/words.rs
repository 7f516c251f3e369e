//! How a text is split into words: one way, for the index, for a list, and for a single text.

use std::ops::Range;

use tantivy::tokenizer::{
    AsciiFoldingFilter, TextAnalyzer, Token, TokenFilter, TokenStream, Tokenizer,
};

/// Bytes of a word that are looked at: words that begin with the same ones are the same. Hashes and
/// most ids are shorter, encoded pictures are not.
const WORD_BYTES_MAX: usize = 64;

/// Splits, lower-cases and folds: letters and digits make a word, accents do not matter, and where a script
/// has no spaces every character is a word (so that several of them are a phrase).
pub(super) fn analyzer() -> TextAnalyzer {
    TextAnalyzer::from(tokenizer())
}

fn tokenizer() -> impl Tokenizer {
    AsciiFoldingFilter.transform(Words::default())
}

/// Hands each word of `text` with its place to `take`, until that says no more.
pub(super) fn each(text: &str, mut take: impl FnMut(&Token) -> bool) {
    let mut tokenizer = tokenizer();
    let mut stream = tokenizer.token_stream(text);
    while stream.advance() && take(stream.token()) {}
}

/// The words of `text`.
pub(super) fn of(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    each(text, |token| {
        words.push(token.text.clone());
        true
    });
    words
}

#[derive(Clone, Default)]
struct Words {
    token: Token,
}

impl Tokenizer for Words {
    type TokenStream<'a> = WordStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> WordStream<'a> {
        self.token.reset();
        WordStream {
            text,
            at: 0,
            token: &mut self.token,
        }
    }
}

struct WordStream<'a> {
    text: &'a str,
    at: usize,
    token: &'a mut Token,
}

impl WordStream<'_> {
    /// The next word, if it and all that comes before it is ASCII: nearly every one is, and is found without
    /// decoding characters.
    fn plain(&self) -> Option<Range<usize>> {
        let rest = &self.text.as_bytes()[self.at..];
        let may_begin = |byte: &u8| byte.is_ascii_alphanumeric() || !byte.is_ascii();
        let from = rest.iter().position(may_begin)?;
        let word = rest[from..].iter();
        let length = word.take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let to = from + length;
        let is_plain = length > 0 && rest.get(to).is_none_or(u8::is_ascii);
        is_plain.then_some(self.at + from..self.at + to)
    }

    /// Goes to the next word, of whatever characters; false where there is none.
    fn any(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let mut chars = rest.char_indices();
        let Some((from, first)) = chars.find(|&(_, c)| c.is_alphanumeric()) else {
            self.at = self.text.len();
            return false;
        };
        let to = if stands_alone(first) {
            from + first.len_utf8()
        } else {
            chars
                .find(|&(_, c)| !(c.is_alphanumeric() || is_accent(c)) || stands_alone(c))
                .map_or(rest.len(), |(to, _)| to)
        };
        self.place(self.at + from..self.at + to);
        for c in rest[from..to].chars() {
            self.push(c);
        }
        true
    }

    /// The word stands there.
    fn place(&mut self, place: Range<usize>) {
        self.token.offset_from = place.start;
        self.token.offset_to = place.end;
        self.at = place.end;
    }

    /// Takes a character into the word, unless that is long enough.
    fn push(&mut self, c: char) {
        let word = &mut self.token.text;
        if c.is_ascii() {
            if word.len() < WORD_BYTES_MAX {
                word.push(c.to_ascii_lowercase());
            }
            return;
        }
        for lower in c.to_lowercase().filter(|&c| !is_accent(c)) {
            if word.len() + lower.len_utf8() <= WORD_BYTES_MAX {
                word.push(lower);
            }
        }
    }
}

impl TokenStream for WordStream<'_> {
    fn advance(&mut self) -> bool {
        self.token.text.clear();
        self.token.position = self.token.position.wrapping_add(1);
        let Some(plain) = self.plain() else {
            return self.any();
        };
        self.place(plain.clone());
        let to = plain.end.min(plain.start + WORD_BYTES_MAX);
        self.token.text.push_str(&self.text[plain.start..to]);
        self.token.text.make_ascii_lowercase();
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

/// A mark that the letter before it bears: `é` may be written as `e` and such a mark.
fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

/// Whether `c` is of a script that puts no spaces between words.
fn stands_alone(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}' // Thai, Lao
        | '\u{1000}'..='\u{109f}' // Burmese
        | '\u{1780}'..='\u{17ff}' // Khmer
        | '\u{3040}'..='\u{30ff}' // Hiragana, Katakana
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' // Han
        | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_digits_make_words_whatever_their_case_and_accents() {
        assert_eq!(
            of("Hello, get_user-42 CAFÉ cafe\u{301} Straße\tİzmir"),
            [
                "hello", "get", "user", "42", "cafe", "cafe", "strasse", "izmir"
            ]
        );
        assert_eq!(of("東京都 in ไทย"), ["東", "京", "都", "in", "ไ", "ท", "ย"]);
        assert_eq!(of(" …🎉!\u{301}"), [""; 0]);
        assert_eq!(of("Привет, ΚΌΣΜΕ"), ["привет", "κόσμε"]);
    }

    #[test]
    fn a_long_word_is_known_by_its_beginning() {
        let long = "ab".repeat(1000);
        assert_eq!(of(&long), [&long[..WORD_BYTES_MAX]]);
        let wide = "ж".repeat(100);
        assert_eq!(of(&wide), ["ж".repeat(32)]);
    }

    #[test]
    fn places_are_those_in_the_text() {
        let text = "«Ünïcode» 東x";
        let mut places = Vec::new();
        each(text, |token| {
            places.push((&text[token.offset_from..token.offset_to], token.position));
            true
        });
        assert_eq!(places, [("Ünïcode", 0), ("東", 1), ("x", 2)]);
    }
}
