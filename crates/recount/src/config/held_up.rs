//! What becomes of a held-up limit, as it is written.

use recount_core::HeldUp;

use super::units::{SPAN_FORM, show_span, span};

const EXPIRE: &str = "expire-groups-after:";

/// Reads `block`, `force` or `expire-groups-after:7d`.
pub fn parse_held_up(text: &str) -> Result<HeldUp, String> {
    match text {
        "block" => return Ok(HeldUp::Block),
        "force" => return Ok(HeldUp::Force),
        _ => {}
    }
    let after = text.strip_prefix(EXPIRE).and_then(span);
    let ms = after.map(|after| after.as_millis() as u64);
    ms.filter(|ms| *ms > 0)
        .map(HeldUp::ExpireGroupsAfter)
        .ok_or_else(|| format!("write block, force or {EXPIRE} and a time such as {SPAN_FORM}"))
}

pub(super) fn show_held_up(policy: HeldUp) -> String {
    match policy {
        HeldUp::Block => "block".to_owned(),
        HeldUp::Force => "force".to_owned(),
        HeldUp::ExpireGroupsAfter(ms) => {
            let after = std::time::Duration::from_millis(ms);
            format!("{EXPIRE}{}", show_span(after))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_parse_and_print() {
        for text in ["block", "force", "expire-groups-after:7d"] {
            assert_eq!(parse_held_up(text).map(show_held_up), Ok(text.to_owned()));
        }
        for bad in [
            "",
            "Block",
            "expire-groups-after:",
            "expire-groups-after:0s",
            "7d",
        ] {
            assert!(parse_held_up(bad).is_err(), "{bad}");
        }
    }
}
