//! What the demo shows once everything is recorded, all of it read back from the log.

use std::time::{Duration, Instant};

use owo_colors::Style;
use recount::payload::Payload;
use recount::{
    Clock as _, EntryId, EventType, Filter, IdRange, Query, ReadRange, Recorded, Recount,
    SystemClock,
};

use super::facts::{Facts, median};
use super::live::Shown;
use super::paint::Paint;
use crate::cli::error::Result;
use crate::cli::output::{Output, count, thousands};

/// How many replayed events are printed; the others are read and counted.
const REPLAY_SHOWN: u64 = 5;
const BAR_WIDTH: usize = 30;

/// The last minute again, as fast as it can be read.
pub(super) async fn replay(log: &Recount, paint: &Paint, output: &mut Output) -> Result {
    output.line(paint.heading("REPLAY", "the last minute again, as fast as it can be read"))?;
    let since = EntryId::new(SystemClock.now_ms().saturating_sub(60_000), 0);
    let began = Instant::now();
    let mut events = log.events(Query {
        range: ReadRange::new(IdRange {
            start: std::ops::Bound::Included(since),
            ..IdRange::ALL
        }),
        filter: Filter::default(),
    });
    let mut replayed = 0;
    let mut lines = Vec::new();
    while let Some(recorded) = events.next().await? {
        if replayed < REPLAY_SHOWN {
            lines.push(recorded);
        }
        replayed += 1;
    }
    let took = began.elapsed();
    for recorded in &lines {
        output.line(paint.event("(replayed)", recorded, &[session(recorded)]))?;
    }
    let left = replayed - lines.len() as u64;
    if left > 0 {
        output.line(paint.dimmed(&format!("(replayed) ... and {}", count(left, "more event"))))?;
    }
    let rate = u128::from(replayed) * 1_000_000 / took.as_micros().max(1);
    output.line(format_args!(
        "{} in {}: {} events/s, none of them recorded again",
        count(replayed, "event"),
        millis(took.as_secs_f64() * 1000.0),
        thousands(rate as u64)
    ))
}

fn session(recorded: &Recorded) -> String {
    recorded
        .event()
        .map_or_else(String::new, |event| event.session_id.clone())
}

/// One session from its first to its last event.
pub(super) async fn timeline(
    log: &Recount,
    facts: &Facts,
    paint: &Paint,
    output: &mut Output,
) -> Result {
    output.line(paint.heading("TIMELINE", &format!("session {}", facts.session)))?;
    let mut events = log.session(&facts.session).events();
    let mut start = None;
    while let Some(recorded) = events.next().await? {
        let Some(event) = recorded.event() else {
            continue;
        };
        let at = event.timestamp.as_millis();
        let since = at - *start.get_or_insert(at);
        let took = match Payload::of(event) {
            Ok(Payload::ToolReturned(answer)) => answer.duration_ms.map(millis),
            Ok(Payload::SearchPerformed(search)) => search.duration_ms.map(millis),
            _ => None,
        };
        let before = format!("{:>+7.3} s", since as f64 / 1000.0);
        let took = format!("{:>7}", took.unwrap_or_default());
        output.line(paint.event(&before, &recorded, &[took]))?;
    }
    Ok(())
}

/// How many events there are of each type.
pub(super) fn counts(facts: &Facts, paint: &Paint, output: &mut Output) -> Result {
    output.line(paint.heading("COUNTS", "events by type"))?;
    let mut types: Vec<_> = facts.by_type.iter().collect();
    types.sort_by_key(|(_, number)| std::cmp::Reverse(**number));
    let most = types.first().map_or(1, |(_, number)| **number);
    for (name, number) in types {
        let bar = "█".repeat((*number as usize * BAR_WIDTH).div_ceil(most as usize));
        let style = match EventType::new(name) {
            Ok(EventType::ErrorOccurred) => Style::new().red(),
            _ => Style::new().cyan(),
        };
        output.line(format_args!(
            "{name:16} {number:>4}  {}",
            paint.styled(&bar, style)
        ))?;
    }
    Ok(())
}

/// Rates, sessions, tools.
pub(super) fn numbers(facts: &Facts, shown: &Shown, paint: &Paint, output: &mut Output) -> Result {
    output.line(paint.heading("NUMBERS", "from the same log"))?;
    let mut row = |name: &str, text: String| output.line(format_args!("{name:10} {text}"));

    let seconds = facts.span_ms as f64 / 1000.0;
    row(
        "events",
        format!(
            "{} in {seconds:.1} s, {:.1} a second",
            thousands(facts.events),
            facts.events as f64 / seconds.max(0.001)
        ),
    )?;
    let ended: Vec<_> = facts
        .ended
        .iter()
        .map(|(reason, number)| format!("{number} {reason}"))
        .collect();
    row(
        "sessions",
        format!(
            "{} of {}: {}",
            facts.started,
            count(facts.users.len() as u64, "user"),
            ended.join(", ")
        ),
    )?;
    if let Some((session, ms)) = &facts.longest {
        row(
            "",
            format!("the longest took {}: {session}", millis(*ms as f64)),
        )?;
    }
    let tools = facts.all_tools();
    row(
        "tools",
        format!(
            "{}, {} failed ({}), median {}",
            count(tools.calls, "call"),
            tools.errors,
            percent(tools.errors, tools.calls),
            millis(median(&tools.durations_ms).unwrap_or(0.0))
        ),
    )?;
    row(
        "errors",
        format!(
            "{} of {} ({})",
            facts.errors,
            count(facts.events, "event"),
            percent(facts.errors, facts.events)
        ),
    )?;
    let delay = |delay: Option<Duration>| millis(delay.unwrap_or_default().as_secs_f64() * 1000.0);
    row(
        "live",
        format!(
            "on screen {} after recording began (median), {} at worst",
            delay(median(&shown.delays)),
            delay(shown.delays.last().copied())
        ),
    )
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.1} %", part as f64 * 100.0 / (whole as f64).max(1.0))
}

fn millis(ms: f64) -> String {
    match ms {
        ms if ms >= 1_000.0 => format!("{:.1} s", ms / 1_000.0),
        ms if ms >= 10.0 => format!("{ms:.0} ms"),
        ms => format!("{ms:.1} ms"),
    }
}
