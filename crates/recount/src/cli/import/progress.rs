//! A bar on standard error while it takes long, where somebody watches.

use indicatif::ProgressBar;

use crate::cli::output::{progress_bar, thousands};

pub(super) struct Progress(ProgressBar);

impl Progress {
    /// A bar for an input of so many bytes, if that is known.
    pub fn new(bytes: Option<u64>, quiet: bool) -> Self {
        let template = if bytes.is_some() {
            "{bar:24} {bytes}/{total_bytes}  {msg}"
        } else {
            "{spinner} {bytes}  {msg}"
        };
        Self(progress_bar(bytes, template, quiet))
    }

    pub fn update(&self, bytes: u64, events: u64) {
        let rate = super::summary::rate(events, self.0.elapsed());
        self.0.set_position(bytes);
        self.0.set_message(format!(
            "{} events  {} events/s",
            thousands(events),
            thousands(rate)
        ));
    }

    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}
