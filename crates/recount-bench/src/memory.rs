//! How much memory the process itself takes: the peak of `RssAnon`.

use std::fs;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const SAMPLE_EVERY: Duration = Duration::from_millis(10);

/// Samples until it is asked for the peak.
pub struct Sampler {
    stop: Sender<()>,
    thread: JoinHandle<u64>,
}

impl Sampler {
    /// Starts sampling.
    pub fn start() -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut peak = 0;
            loop {
                peak = peak.max(rss_anon_bytes().unwrap_or(0));
                if stopped.recv_timeout(SAMPLE_EVERY) != Err(RecvTimeoutError::Timeout) {
                    return peak;
                }
            }
        });
        Self { stop, thread }
    }

    /// The most that was seen, in bytes; none where the system does not tell.
    pub fn peak(self) -> Option<u64> {
        drop(self.stop);
        self.thread.join().ok().filter(|peak| *peak > 0)
    }
}

fn rss_anon_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib * 1024)
}
