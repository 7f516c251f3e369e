//! Full text: finding events by the words in them, through an index or in a list.

mod columns;
mod contains;
mod directory;
mod error;
mod files;
mod merges;
mod plan;
mod projection;
mod rank;
mod reader;
mod schema;
mod seal;
mod sieve;
#[cfg(test)]
mod tests;
mod text;
mod top;
mod walk;
mod words;
mod writer;

pub use contains::{Excerpt, contains, excerpt};
pub(crate) use projection::SearchKind;
pub use rank::rank;
pub use reader::SearchReader;
pub use text::{TEXT_BYTES_MAX, text_of};

use recount_core::Position;

/// Which events come first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// Those recorded first, by entry id and, of equal ones, by partition.
    #[default]
    Oldest,
    /// Those recorded last.
    Newest,
}

/// An event that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Where it is.
    pub position: Position,
    /// How well it fits, where that was asked: the more the better.
    pub score: Option<f32>,
}
