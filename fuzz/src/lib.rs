//! The fuzz targets' bodies: what must hold for any bytes whatsoever.
//!
//! Each is a plain function. The fuzzers in `fuzz_targets/` call them, and so does a test of the crate
//! `recount` with the corpus and mutations of it, on a stable compiler.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod chat;
pub mod codec;
pub mod config;
pub mod frames;
pub mod ids;
pub mod ndjson;
pub mod segments;

/// A target's name and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 7] = [
    ("frames", frames::run),
    ("segments", segments::run),
    ("codec", codec::run),
    ("ids", ids::run),
    ("ndjson", ndjson::run),
    ("chat", chat::run),
    ("config", config::run),
];
