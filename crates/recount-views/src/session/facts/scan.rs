//! Walking over JSON text that was checked before: only where a value ends is looked for.
//!
//! Most of an event's data is text that a fold does not want. Checking it once more, as a parser does,
//! costs several times what all the rest of the fold does.

use memchr::memchr2;

/// A place in a JSON text. Text that is not JSON ends the walk, and never fails it.
pub(super) struct Scan<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Scan<'t> {
    pub(super) fn of(text: &'t [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// The names, as they stand between their quotes, and the values of the object that begins here.
    pub(super) fn members(mut self, mut each: impl FnMut(&'t [u8], &'t [u8])) {
        let _ = self.walk(&mut each);
    }

    fn walk(&mut self, each: &mut impl FnMut(&'t [u8], &'t [u8])) -> Option<()> {
        self.expect(b'{')?;
        while self.next()? != b'}' {
            self.blank();
            let name = self.string()?;
            self.expect(b':')?;
            self.blank();
            let value = self.value()?;
            each(&name[1..name.len() - 1], value);
            self.blank();
            if self.next()? == b',' {
                self.at += 1;
                self.blank();
            }
        }
        Some(())
    }

    fn next(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn blank(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.next() {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.blank();
        (self.next()? == byte).then(|| self.at += 1)?;
        self.blank();
        Some(())
    }

    /// A string with its quotes.
    fn string(&mut self) -> Option<&'t [u8]> {
        let start = self.at;
        (self.next()? == b'"').then(|| self.at += 1)?;
        loop {
            self.at += memchr2(b'"', b'\\', self.text.get(self.at..)?)?;
            if self.text[self.at] == b'"' {
                self.at += 1;
                return Some(&self.text[start..self.at]);
            }
            self.at += 2;
        }
    }

    fn value(&mut self) -> Option<&'t [u8]> {
        let start = self.at;
        match self.next()? {
            b'"' => return self.string(),
            b'{' | b'[' => self.nested()?,
            _ => {
                let ends =
                    |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r');
                self.at += self.text[start..].iter().position(ends)?;
            }
        }
        // An empty one would not move on.
        (self.at > start).then(|| &self.text[start..self.at])
    }

    /// To the end of the object or array that begins here.
    fn nested(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.next()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(text: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Scan::of(text.as_bytes()).members(|name, value| found.push((told(name), told(value))));
        found
    }

    #[test]
    fn members_are_found_whatever_stands_in_them() {
        let text = r#" { "a" : 1 , "b":"x\"},{" ,"c":{"d":["}",{}]} , "e\"":[[],"]"],"f":null,"g":-1e5 } "#;
        let expected = [
            ("a", "1"),
            ("b", r#""x\"},{""#),
            ("c", r#"{"d":["}",{}]}"#),
            (r#"e\""#, r#"[[],"]"]"#),
            ("f", "null"),
            ("g", "-1e5"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(members(text), expected);
        assert_eq!(members("{}"), []);
    }

    #[test]
    fn what_is_no_json_ends_the_walk() {
        let text = r#"{"a":{"b":"c\\"},"d":[1,"e"]}"#;
        for end in 0..text.len() {
            members(&text[..end]);
            members(&text[end..]);
        }
        for text in [
            "",
            "[]",
            "{:}",
            "{\"a\":}",
            "{\"a\":,}",
            "{\"a\"",
            "{\"a\":\"\\",
            "{,}",
            "{\"a\" 1}",
        ] {
            assert_eq!(members(text), [], "{text}");
        }
    }
}
