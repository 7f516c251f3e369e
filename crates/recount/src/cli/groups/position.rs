//! Positions as they are shown, read back: `1526919030474-0`, `2/1526919030474-0`.

use recount::{EntryId, Position};

/// Reads where an entry is: its id, and before it the partition where that is not 0.
pub(in crate::cli) fn position(text: &str) -> Result<Position, String> {
    let (partition, id) = match text.split_once('/') {
        Some((partition, id)) => (partition.parse().ok(), id),
        None => (Some(0), text),
    };
    // A millisecond alone would be taken for its first entry, which may be another one than is meant.
    let id = id.contains('-').then(|| id.parse::<EntryId>().ok());
    match (partition, id.flatten()) {
        (Some(partition), Some(entry_id)) => Ok(Position {
            partition,
            entry_id,
        }),
        _ => Err(
            "write an entry id such as 1526919030474-0, or 2/1526919030474-0 in partition 2"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_back() {
        for text in ["7-1", "2/7-0"] {
            assert_eq!(position(text).unwrap().to_string(), text);
        }
        assert_eq!(position("0/7-1").unwrap().to_string(), "7-1");
        for bad in ["", "7", "x-1", "/7-1", "a/7-1", "1/2/7-1", "7-1-1"] {
            assert!(position(bad).is_err(), "{bad}");
        }
    }
}
