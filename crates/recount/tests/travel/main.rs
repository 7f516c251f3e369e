//! Sessions at any moment of their history: the same on every engine.

mod engines;
mod forks;
mod golden;
mod kept;
mod missing;
mod moments;
