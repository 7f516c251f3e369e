//! What keeps running beside a log of Recount: mirrors.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
