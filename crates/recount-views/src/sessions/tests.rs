//! The view against folding and filtering by hand.

mod cuts;
mod kit;
mod lists;
mod trims;
mod upkeep;
