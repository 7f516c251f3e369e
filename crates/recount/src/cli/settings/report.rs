//! How errors in the configuration are shown: the place, the line, a caret under what is meant.

use std::fmt::Write as _;

use recount::config::{ConfigErrors, Excerpt, Place};
use unicode_width::UnicodeWidthStr as _;

use crate::cli::error::Failure;
use crate::cli::output::count;

/// What stops every command that reads settings.
pub(super) fn failure(errors: &ConfigErrors) -> Failure {
    let mut message = String::new();
    let mut in_file = false;
    for (at, error) in errors.errors.iter().enumerate() {
        if at > 0 {
            message.push_str("\nerror: ");
        }
        let _ = write!(message, "{error}");
        if let Place::File(excerpt) = &error.place {
            in_file = true;
            if !excerpt.text.is_empty() {
                message.push_str(&drawn(excerpt));
            }
        }
    }
    if errors.left_out > 0 {
        let _ = write!(
            message,
            "\nand {}",
            count(errors.left_out as u64, "more error")
        );
    }
    let failure = Failure::usage(message);
    if in_file {
        failure.hint("recount config --example prints a file with every setting")
    } else {
        failure
    }
}

/// The line with its number, and below it the caret.
fn drawn(excerpt: &Excerpt) -> String {
    let Excerpt {
        line, text, marked, ..
    } = excerpt;
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    let before = " ".repeat(text[..marked.start].width());
    let carets = "^".repeat(text[marked.clone()].width().max(1));
    format!("\n {number} | {text}\n {margin} | {before}{carets}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_below_what_is_meant_however_wide_the_letters_are() {
        let excerpt = Excerpt {
            file: "f".into(),
            line: 12,
            column: 3,
            text: "日 = \"本\"".into(),
            marked: 6..11,
        };
        assert_eq!(drawn(&excerpt), "\n 12 | 日 = \"本\"\n    |      ^^^^");
    }
}
