//! How far and how fast a view comes, for people who watch.

use std::time::Instant;

use crate::checkpoint::Why;
use crate::views::Progress;

pub(crate) struct Rate {
    began: Instant,
    progress: Progress,
}

impl Rate {
    pub(crate) fn new(view: &str, total: u64, rebuilt: Option<Why>) -> Self {
        Self {
            began: Instant::now(),
            progress: Progress {
                view: view.to_owned(),
                done: 0,
                total,
                per_second: 0.0,
                rebuilt,
            },
        }
    }

    /// `entries` more were taken in.
    pub(crate) fn done(&mut self, entries: u64) -> Progress {
        let progress = &mut self.progress;
        progress.done += entries;
        progress.total = progress.total.max(progress.done);
        let seconds = self.began.elapsed().as_secs_f64();
        if seconds > 0.0 {
            progress.per_second = progress.done as f64 / seconds;
        }
        progress.clone()
    }
}
