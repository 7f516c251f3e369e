//! A bar on standard error while it takes long, where somebody watches.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use recount_disk::doctor;

pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn new(quiet: bool) -> Self {
        let target = if quiet {
            ProgressDrawTarget::hidden()
        } else {
            // Draws nothing where standard error is no terminal.
            ProgressDrawTarget::stderr()
        };
        let style = ProgressStyle::with_template("{bar:24} {bytes}/{total_bytes}  {msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        Self(ProgressBar::with_draw_target(Some(0), target).with_style(style))
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
