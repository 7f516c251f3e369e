//! A bar on standard error while it takes long, where somebody watches.

use indicatif::ProgressBar;
use recount_disk::doctor;

use crate::cli::output::progress_bar;

pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn new(quiet: bool) -> Self {
        let template = "{bar:24} {bytes}/{total_bytes}  {msg}";
        Self(progress_bar(Some(0), template, quiet))
    }

    pub(super) fn update(&self, stream: &str, at: doctor::Progress<'_>) {
        self.0.set_length(at.total);
        self.0.set_position(at.done);
        self.0.set_message(format!("{stream} {}", at.what));
    }

    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
