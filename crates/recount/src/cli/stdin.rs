//! Whether anything was piped in.

#[cfg(unix)]
use std::io;

/// Whether standard input is a file or a pipe with bytes to be read right now. Never blocks: an
/// open pipe that nobody has written to, as programs inherit it, counts as empty, and so do
/// terminals, devices and sockets.
#[cfg(unix)]
pub(crate) fn holds_data() -> bool {
    use rustix::fs::{FileType, fstat, tell};

    let stdin = io::stdin();
    let Ok(stat) = fstat(&stdin) else {
        // It is closed.
        return false;
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => tell(&stdin).is_ok_and(|at| at < stat.st_size as u64),
        FileType::Fifo => rustix::io::ioctl_fionread(&stdin).is_ok_and(|bytes| bytes > 0),
        _ => false,
    }
}

/// As above, where that can be found out.
#[cfg(not(unix))]
pub(crate) fn holds_data() -> bool {
    false
}
