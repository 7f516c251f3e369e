//! What the disk engine makes of everything that can go wrong under it.

mod asked_sync;
mod clock;
mod crash;
mod failed_read;
mod failed_sync;
mod fixture;
mod flipped;
mod follower;
mod full;
mod groups;
mod kill;
mod locks;
mod missing;
mod oracle;
mod retention;
mod support;
mod torn;
