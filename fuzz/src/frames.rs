//! Any bytes are read as a segment.

use recount_disk::fuzzing::{reseal_frames, scan};

/// Reads the bytes as they are, and once more with every checksum made right.
pub fn run(data: &[u8]) {
    check(scan(data));
    let mut sealed = data.to_vec();
    reseal_frames(&mut sealed);
    check(scan(&sealed));
}

fn check(scanned: Result<u32, String>) {
    if let Err(error) = scanned {
        assert!(error.contains("/segment is damaged at byte "), "{error}");
    }
}
