//! Numbers as people read them.

/// `1,234,567`
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 entry`, `1,203 entries`
pub(super) fn count(number: u64, one: &str, many: &str) -> String {
    format!(
        "{} {}",
        thousands(number),
        if number == 1 { one } else { many }
    )
}

/// `segment 3`, `segments 1 to 8`
pub(super) fn segments((first, last): (u64, u64)) -> String {
    if first == last {
        format!("segment {first}")
    } else {
        format!("segments {first} to {last}")
    }
}
