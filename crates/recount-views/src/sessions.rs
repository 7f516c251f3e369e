//! All sessions and all users, kept up to date, and the states that a session went through.

mod answer;
mod ask;
mod cursor;
mod damage;
mod keys;
mod order;
mod reader;
mod row;
mod sums;
mod upkeep;

pub use answer::{SessionRows, UserRows};
pub use ask::{Cut, SessionList, SessionOrder, SessionStanding, UserList, UserOrder};
pub use cursor::{InvalidListCursor, ListCursor, ListError};
pub use reader::SessionsReader;
pub use sums::UserRow;
pub use upkeep::SessionsView;

#[cfg(test)]
mod tests;
