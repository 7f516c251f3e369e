//! How far a replay is, and how long it goes on.

use std::io::{self, IsTerminal as _};

use indicatif::ProgressBar;
use recount::{EntryId, Query, Recorded, Recount};

use crate::cli::error::Result;
use crate::cli::output::{progress_bar, thousands};
use crate::cli::settings::Settings;

/// A bar on standard error; hidden where that is no terminal, or where the events themselves are to
/// be looked at.
pub(super) struct Progress {
    bar: ProgressBar,
    /// When the first and the last event happened, and where they are.
    span: Option<Span>,
    events: u64,
    /// Delivered at most.
    limit: u64,
}

struct Span {
    happened_ms: (i64, i64),
    ids: (EntryId, EntryId),
}

/// The parts that the bar is counted in.
const PARTS: u64 = 10_000;

impl Progress {
    /// Of what `queries` find in `log`. `alone` where nothing is printed on standard output meanwhile.
    pub(super) async fn new(
        log: &Recount,
        queries: &[Query],
        alone: bool,
        limit: u64,
        settings: &Settings,
    ) -> Result<Self> {
        let shown = io::stderr().is_terminal() && (alone || !io::stdout().is_terminal());
        if !shown || settings.quiet() {
            return Ok(Self {
                bar: ProgressBar::hidden(),
                span: None,
                events: 0,
                limit,
            });
        }
        let span = span(log, queries).await?;
        let (length, template) = match span {
            Some(_) => (
                Some(PARTS),
                "{wide_bar} {percent} %, {msg} events, {elapsed}, about {eta} left",
            ),
            None => (None, "{spinner} {msg} events, {elapsed}"),
        };
        Ok(Self {
            bar: progress_bar(length, template, false).with_message("0"),
            span,
            events: 0,
            limit,
        })
    }

    /// `count` more were delivered, up to `last`.
    pub(super) fn reached(&mut self, last: &Recorded, count: usize) {
        self.events += count as u64;
        if self.bar.is_hidden() {
            return;
        }
        self.bar.set_message(thousands(self.events));
        match &self.span {
            Some(span) => {
                let part = span.part(last).max(share(self.events, self.limit));
                self.bar.set_position(part);
            }
            None => self.bar.tick(),
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Span {
    /// How much of the whole lies before `at`: by when it happened, which the pace goes by, or where
    /// everything happened at once, by where it is.
    fn part(&self, at: &Recorded) -> u64 {
        let (first, last) = self.happened_ms;
        let happened = at
            .event()
            .map_or(first, |event| event.timestamp.as_millis());
        if last > first {
            return share(happened.abs_diff(first), last.abs_diff(first));
        }
        let (first, last) = self.ids;
        let at = at.position.entry_id;
        match last.ms.checked_sub(first.ms) {
            Some(0) | None => share(
                at.seq.saturating_sub(first.seq),
                last.seq - first.seq.min(last.seq),
            ),
            Some(span) => share(at.ms.saturating_sub(first.ms), span),
        }
    }
}

fn share(part: u64, whole: u64) -> u64 {
    let parts = u128::from(part) * u128::from(PARTS) / u128::from(whole.max(1));
    u64::try_from(parts).unwrap_or(PARTS).min(PARTS)
}

/// Where what `queries` find begins and ends.
async fn span(log: &Recount, queries: &[Query]) -> Result<Option<Span>> {
    let mut whole: Option<Span> = None;
    for query in queries {
        let mut backward = query.clone();
        backward.range = backward.range.backward();
        let first = log.events(query.clone()).limit(1).next().await?;
        let last = log.events(backward).limit(1).next().await?;
        let (Some(first), Some(last)) = (first, last) else {
            continue;
        };
        let happened = |recorded: &Recorded| {
            let event = recorded.event();
            event.map_or(0, |event| event.timestamp.as_millis())
        };
        let mut span = Span {
            happened_ms: (happened(&first), happened(&last)),
            ids: (first.position.entry_id, last.position.entry_id),
        };
        if let Some(other) = whole {
            span.happened_ms.0 = span.happened_ms.0.min(other.happened_ms.0);
            span.happened_ms.1 = span.happened_ms.1.max(other.happened_ms.1);
            span.ids.0 = span.ids.0.min(other.ids.0);
            span.ids.1 = span.ids.1.max(other.ids.1);
        }
        whole = Some(span);
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_stay_within_the_whole() {
        assert_eq!(share(0, 10), 0);
        assert_eq!(share(5, 10), PARTS / 2);
        assert_eq!(share(20, 10), PARTS);
        assert_eq!(share(0, 0), 0);
        assert_eq!(share(u64::MAX, u64::MAX), PARTS);
    }
}
