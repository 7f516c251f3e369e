//! placeholder
/// x
pub struct MirroredLog;
