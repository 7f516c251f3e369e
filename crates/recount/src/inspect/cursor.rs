//! Where a page ended, as text that programs carry.

use std::fmt;
use std::str::FromStr;

use recount_core::{EntryId, Partition, Position};
use recount_views::{Question, Term};

use super::Order;

/// Where a page of an answer ended. It prints as text of letters, digits, dots and dashes, to be handed
/// back as it is: pages after it hold what comes next in the same order, whatever was recorded meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageCursor {
    pub(super) place: Place,
    pub(super) reverse: bool,
    /// What the page was asked for: see [`about`].
    pub(super) about: u32,
}

/// A short name of what a question asks for, but for its times: those move with the clock where they are
/// relative.
pub(super) fn about(question: &Question) -> u32 {
    let is_time = |term: &Term| {
        matches!(
            term,
            Term::Since(_) | Term::Until(_) | Term::HappenedSince(_) | Term::HappenedUntil(_)
        )
    };
    let clauses = question.clauses.iter();
    let clauses = clauses.filter(|clause| !is_time(&clause.term)).cloned();
    let question = Question {
        clauses: clauses.collect(),
    };
    crc32c::crc32c(question.to_string().as_bytes())
}

/// What the page ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Recorded(Position),
    Happened(Key),
    /// So many of the best came before, of the entries below an id.
    Ranked {
        before: usize,
        until: EntryId,
    },
}

/// What entries are sorted by when they happened: that, then their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) happened_ms: i64,
    pub(super) entry_id: EntryId,
    pub(super) partition: Partition,
}

impl Key {
    pub(super) fn position(self) -> Position {
        Position {
            partition: self.partition,
            entry_id: self.entry_id,
        }
    }
}

impl PageCursor {
    /// Where it is, in an answer that is sorted like this.
    pub(super) fn place(
        self,
        about: u32,
        order: Order,
        reverse: bool,
        ranked: bool,
    ) -> Result<Place, InvalidPageCursor> {
        if self.about != about {
            return Err(InvalidPageCursor::OtherQuestion);
        }
        let sorted = match self.place {
            Place::Recorded(_) => match order {
                Order::Recorded => self.reverse == reverse,
                // What fits equally well comes newest first.
                Order::Relevance => !ranked && self.reverse,
                Order::Happened => false,
            },
            Place::Happened(_) => order == Order::Happened && self.reverse == reverse,
            Place::Ranked { .. } => ranked,
        };
        if sorted {
            Ok(self.place)
        } else {
            Err(InvalidPageCursor::OtherOrder)
        }
    }
}

impl fmt::Display for PageCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = if self.reverse { 'd' } else { 'a' };
        match self.place {
            Place::Recorded(Position {
                partition,
                entry_id,
            }) => write!(f, "r{direction}.{entry_id}.{partition}")?,
            Place::Happened(Key {
                happened_ms,
                entry_id,
                partition,
            }) => write!(f, "h{direction}.{happened_ms}.{entry_id}.{partition}")?,
            Place::Ranked { before, until } => write!(f, "s{direction}.{before}.{until}")?,
        }
        write!(f, ".{:08x}", self.about)
    }
}

impl FromStr for PageCursor {
    type Err = InvalidPageCursor;

    fn from_str(text: &str) -> Result<Self, InvalidPageCursor> {
        read(text).ok_or(InvalidPageCursor::NotOne)
    }
}

fn read(text: &str) -> Option<PageCursor> {
    let (text, about) = text.trim().rsplit_once('.')?;
    let about = u32::from_str_radix(about, 16).ok()?;
    let parts: Vec<_> = text.split('.').collect();
    let number = |text: &str| text.parse().ok();
    let (kind, reverse) = match *parts.first()? {
        "ra" => ('r', false),
        "rd" => ('r', true),
        "ha" => ('h', false),
        "hd" => ('h', true),
        "sd" => ('s', true),
        _ => return None,
    };
    let place = match (kind, &parts[1..]) {
        ('r', [id, partition]) => Place::Recorded(Position {
            entry_id: id.parse().ok()?,
            partition: number(partition)?,
        }),
        ('h', [happened, id, partition]) => Place::Happened(Key {
            happened_ms: happened.parse().ok()?,
            entry_id: id.parse().ok()?,
            partition: number(partition)?,
        }),
        ('s', [before, until]) => Place::Ranked {
            before: before.parse().ok()?,
            until: until.parse().ok()?,
        },
        _ => return None,
    };
    Some(PageCursor {
        place,
        reverse,
        about,
    })
}

/// Why a text does not say where to go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPageCursor {
    /// It was not made by a page.
    #[error("it is no cursor: give back, as it is, what the page before ended with")]
    NotOne,
    /// The page answered another question.
    #[error(
        "the cursor belongs to a page of another query: ask as for that page, or begin again without a cursor"
    )]
    OtherQuestion,
    /// The page was sorted otherwise.
    #[error(
        "the cursor belongs to a page that was sorted otherwise: ask as for that page, or begin again without a cursor"
    )]
    OtherOrder,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cursor() -> impl Strategy<Value = PageCursor> {
        let id = (any::<u64>(), any::<u64>()).prop_map(|(ms, seq)| EntryId::new(ms, seq));
        let placed = (
            any::<i64>(),
            id,
            any::<u32>(),
            any::<usize>(),
            0..3,
            any::<bool>(),
        );
        placed.prop_map(
            |(happened_ms, entry_id, partition, before, kind, reverse)| {
                let key = Key {
                    happened_ms,
                    entry_id,
                    partition,
                };
                let (place, reverse) = match kind {
                    0 => (Place::Recorded(key.position()), reverse),
                    1 => (Place::Happened(key), reverse),
                    _ => {
                        let until = entry_id;
                        (Place::Ranked { before, until }, true)
                    }
                };
                PageCursor {
                    place,
                    reverse,
                    about: partition ^ 7,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn a_cursor_comes_back_as_it_went(cursor in cursor()) {
            let text = cursor.to_string();
            prop_assert!(text.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c)));
            prop_assert_eq!(text.parse(), Ok(cursor));
        }

        #[test]
        fn any_other_text_is_refused(text in "[rhsad]{0,2}[.0-9-]{0,30}") {
            let read: Result<PageCursor, _> = text.parse();
            prop_assert!(read.is_err() || read.is_ok_and(|read| text.starts_with(&read.to_string()[..2])));
        }
    }

    #[test]
    fn a_cursor_is_only_good_for_its_order() {
        let recorded: PageCursor = "ra.5-1.0.0000002a".parse().unwrap();
        assert!(recorded.place(42, Order::Recorded, false, false).is_ok());
        assert_eq!(
            recorded.place(43, Order::Recorded, false, false),
            Err(InvalidPageCursor::OtherQuestion)
        );
        for (order, reverse) in [
            (Order::Recorded, true),
            (Order::Happened, false),
            (Order::Relevance, false),
        ] {
            assert_eq!(
                recorded.place(42, order, reverse, false),
                Err(InvalidPageCursor::OtherOrder)
            );
        }
        assert_eq!("5-1".parse::<PageCursor>(), Err(InvalidPageCursor::NotOne));
    }
}
