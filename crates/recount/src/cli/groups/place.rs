//! Where a group is to begin, as it is written on the command line.

use std::str::FromStr;

use recount::{Cursor, EntryId, GroupStart, Moment, Partition, Position, StartFrom};

/// What is written for a place.
pub(in crate::cli) const PLACE: &str =
    "start, end, an entry id (after it), or a time such as 1h or 2026-01-02T10:00 (UTC)";

/// A place in a stream, whatever partitions it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Place {
    Start,
    End,
    /// After this id, in every partition.
    After(EntryId),
}

impl Place {
    /// The same for a stream of so many partitions.
    pub(in crate::cli) fn start(self, partitions: Partition) -> GroupStart {
        match self {
            Self::Start => GroupStart::Start,
            Self::End => GroupStart::End,
            Self::After(entry_id) => {
                let everywhere = (0..partitions).map(|partition| Position {
                    partition,
                    entry_id,
                });
                GroupStart::After(everywhere.collect::<Cursor>())
            }
        }
    }

    /// In words.
    pub(in crate::cli) fn words(self) -> String {
        match self {
            Self::Start => "from the start of the stream".to_owned(),
            Self::End => "with what comes from now on".to_owned(),
            Self::After(id) => format!("after {id}"),
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "start" | "-" => return Ok(Self::Start),
            "end" | "$" | "now" => return Ok(Self::End),
            _ => {}
        }
        if let Ok(StartFrom::After(id)) = text.parse() {
            return Ok(Self::After(id));
        }
        match text.parse::<Moment>() {
            // What was recorded in that very millisecond is wanted.
            Ok(at) => Ok(at.entry_id().previous().map_or(Self::Start, Self::After)),
            Err(error) => Err(format!("{error}; or start or end")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_words_ids_or_times() {
        let place = |text: &str| text.parse::<Place>();
        for text in ["start", "-", "1960-01-02"] {
            assert_eq!(place(text), Ok(Place::Start), "{text}");
        }
        for text in ["end", "$", "now"] {
            assert_eq!(place(text), Ok(Place::End), "{text}");
        }
        assert_eq!(place("7-3"), Ok(Place::After(EntryId::new(7, 3))));
        assert_eq!(
            place("2026-01-02"),
            Ok(Place::After(EntryId::new(1_767_311_999_999, u64::MAX)))
        );
        assert!(place("then").unwrap_err().ends_with("or start or end"));
    }

    #[test]
    fn an_id_is_a_place_in_every_partition() {
        let after = EntryId::new(7, 3);
        let GroupStart::After(cursor) = Place::After(after).start(3) else {
            panic!("it is after an id");
        };
        assert_eq!(
            (0..4).map(|at| cursor.get(at)).collect::<Vec<_>>(),
            [after, after, after, EntryId::MIN]
        );
        assert_eq!(Place::Start.start(3), GroupStart::Start);
        assert_eq!(Place::End.start(3), GroupStart::End);
    }
}
