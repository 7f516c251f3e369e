//! Standard input as a queue of events.

use std::collections::VecDeque;
use std::io;

use recount::Limits;
use tokio::sync::mpsc;

use super::ndjson::{self, BadLine, Parsed, Read};
use crate::cli::error::{Failure, Result};
use crate::cli::interrupt::Interrupt;
use crate::cli::settings::warn;

/// The events of standard input.
pub(super) struct Input {
    arriving: mpsc::Receiver<io::Result<Vec<Parsed>>>,
    arrived: VecDeque<Parsed>,
    skip_invalid: bool,
    /// Whether a bad line refuses all of the input.
    whole: bool,
    skipped: u64,
    interrupt: Interrupt,
}

impl Input {
    pub(super) fn new(
        limits: Limits,
        skip_invalid: bool,
        whole: bool,
        interrupt: Interrupt,
    ) -> Self {
        Self {
            arriving: ndjson::read(io::stdin(), limits),
            arrived: VecDeque::new(),
            skip_invalid,
            whole,
            skipped: 0,
            interrupt,
        }
    }

    /// The next event; none at the end, or, `if_arrived`, where it has not arrived yet.
    pub(super) async fn next(&mut self, if_arrived: bool) -> Result<Option<Read>> {
        loop {
            match self.arrived.pop_front() {
                Some(Ok(read)) => return Ok(Some(read)),
                Some(Err(bad)) => self.refuse(&bad)?,
                None => {
                    let piece = if if_arrived {
                        self.arriving.try_recv().ok()
                    } else {
                        tokio::select! {
                            biased;
                            () = self.interrupt.pressed() => return Err(Failure::Interrupted),
                            piece = self.arriving.recv() => piece,
                        }
                    };
                    match piece {
                        Some(Ok(piece)) => self.arrived = piece.into(),
                        Some(Err(error)) => {
                            return Err(Failure::new(format!("reading standard input: {error}")));
                        }
                        None => return Ok(None),
                    }
                }
            }
        }
    }

    fn refuse(&mut self, bad: &BadLine) -> Result {
        if self.skip_invalid {
            self.skipped += 1;
            warn(format_args!("standard input, {bad} (skipped)"));
            return Ok(());
        }
        let hint = if self.whole {
            "nothing was published: the input is appended as a whole or not at all"
        } else {
            "nothing from this line on was published; --skip-invalid passes over such lines"
        };
        Err(Failure::usage(format!("standard input, {bad}")).hint(hint))
    }

    /// How many lines were passed over.
    pub(super) fn skipped(&self) -> u64 {
        self.skipped
    }
}
