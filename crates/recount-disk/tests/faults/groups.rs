//! Consumer groups and everything that can go wrong under them.

mod damage;
mod ends;
mod full;
mod large;
mod lives;
mod reader;
mod support;
mod torn;
mod trims;
