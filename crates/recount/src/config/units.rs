//! Spans of time and sizes as people write them.

use std::time::Duration;

/// The units of a span, largest first, in milliseconds.
const SPANS: [(&str, u64); 6] = [
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// The units of a size, largest first, in bytes.
const SIZES: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// What to write for a span.
pub(super) const SPAN_FORM: &str = "500ms, 5s, 30m, 24h, 7d or 2w";
/// What to write for a size.
pub(super) const SIZE_FORM: &str = "64KiB, 1MiB or a number of bytes";

/// Reads `1h30m` and the like; none where it is written in another way or is too long to be held.
pub fn span(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut ms = 0_u64;
    loop {
        let (count, after) = leading_number(rest)?;
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(letters);
        let (_, unit_ms) = SPANS.into_iter().find(|(name, _)| *name == unit)?;
        ms = ms.checked_add(count.checked_mul(unit_ms)?)?;
        if after.is_empty() {
            return Some(Duration::from_millis(ms));
        }
        rest = after;
    }
}

/// Reads `64KiB` or a number of bytes; none where it is written in another way.
pub(super) fn size(text: &str) -> Option<u64> {
    let (count, unit) = leading_number(text)?;
    if unit.is_empty() {
        return Some(count);
    }
    let (_, bytes) = SIZES.into_iter().find(|(name, _)| *name == unit)?;
    count.checked_mul(bytes)
}

/// Reads a whole number, of which underscores may part the digits as in TOML.
pub(super) fn number(text: &str) -> Option<u64> {
    let parted = text.split('_').all(|digits| !digits.is_empty());
    let digits = text.replace('_', "");
    (parted && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| digits.parse().ok())
        .flatten()
}

/// The span in the largest unit that is exact. A single day is written in hours, weeks in days.
pub(super) fn show_span(span: Duration) -> String {
    let ms = span.as_millis() as u64;
    let fits = |(name, unit_ms): &(&str, u64)| match *name {
        "w" => false,
        "d" => ms > *unit_ms && ms.is_multiple_of(*unit_ms),
        _ => ms.is_multiple_of(*unit_ms),
    };
    match SPANS.iter().find(|unit| fits(unit)) {
        Some((name, unit_ms)) if ms > 0 => format!("{}{name}", ms / unit_ms),
        _ => "0s".to_owned(),
    }
}

/// The size in the largest unit that is exact.
pub(super) fn show_size(bytes: u64) -> String {
    match SIZES
        .iter()
        .find(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit))
    {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => bytes.to_string(),
    }
}

fn leading_number(text: &str) -> Option<(u64, &str)> {
    let digit = |byte: &u8| byte.is_ascii_digit() || *byte == b'_';
    let (digits, after) = text.split_at(text.bytes().take_while(digit).count());
    Some((number(digits)?, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_shown() {
        for (text, ms) in [
            ("500ms", 500),
            ("5s", 5_000),
            ("30m", 1_800_000),
            ("24h", 86_400_000),
            ("7d", 604_800_000),
            ("90s", 90_000),
            ("0s", 0),
        ] {
            assert_eq!(span(text), Some(Duration::from_millis(ms)), "{text}");
            assert_eq!(show_span(Duration::from_millis(ms)), text);
        }
        assert_eq!(span("2w"), span("14d"));
        assert_eq!(span("1h30m"), span("90m"));
        assert_eq!(span("1_000ms"), span("1s"));
        assert_eq!(show_span(Duration::from_hours(48)), "2d");
        for bad in [
            "",
            "5",
            "s",
            "-5s",
            "1.5h",
            "5 s",
            "5y",
            "5S",
            "5s ",
            "1h30",
            "1_s",
            "é",
            "99999999999999999999s",
            "9999999999999999w",
        ] {
            assert_eq!(span(bad), None, "{bad}");
        }
    }

    #[test]
    fn sizes_are_read_and_shown() {
        for (text, bytes) in [
            ("64KiB", 65_536),
            ("1MiB", 1 << 20),
            ("2GiB", 2 << 30),
            ("100", 100),
        ] {
            assert_eq!(size(text), Some(bytes), "{text}");
            assert_eq!(show_size(bytes), text);
        }
        assert_eq!(show_size(0), "0");
        assert_eq!(size("1_024KiB"), Some(1 << 20));
        for bad in [
            "",
            "1MB",
            "1mib",
            "MiB",
            "-1",
            "1 MiB",
            "1.5MiB",
            "99999999999999999GiB",
        ] {
            assert_eq!(size(bad), None, "{bad}");
        }
    }

    #[test]
    fn numbers_may_have_their_digits_parted() {
        assert_eq!(number("1_000_000"), Some(1_000_000));
        for bad in [
            "",
            "_1",
            "1_",
            "1__0",
            "+1",
            "-1",
            "1e3",
            "18446744073709551616",
        ] {
            assert_eq!(number(bad), None, "{bad}");
        }
    }
}
