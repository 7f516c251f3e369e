//! Histories of consumers under random schedules of faults, checked afterwards.
//!
//! A round is drawn from its seed: publishers, groups of ordered and other consumers that join, stop and
//! die, handlers that fail, panic and hang, a store that fails or does not answer, trims, groups that are
//! destroyed, dead letters that are retried. Everything is noted as it happens. In the end the groups are
//! drained, and the history is held against what the runtime promises:
//!
//! - Every acknowledged publish is handled, or is a dead letter that holds it. Nothing is pending.
//! - Nothing is acknowledged before it is handled or its letter is written.
//! - Nothing is handled again after its acknowledgement, unless whoever does so had it before, by a claim.
//! - A session's events are handled one at a time and in order: by a consumer, and with ordered consumers by
//!   all of them.
//! - What becomes a dead letter deserves it.
//!
//! `RECOUNT_SEED` repeats a round that failed, `RECOUNT_ROUNDS` says how many are made. What a seed does
//! not decide is how long the runtime's own backoffs are: a rare failure may need a few attempts.

#[path = "../support/clock.rs"]
mod clock;

mod check;
mod faulty;
mod handler;
mod history;
mod partitioned;
mod plan;
mod random;
mod round;

use std::sync::{Arc, mpsc};
use std::time::Duration;

use recount_conformance::{MemoryLog, MemoryOptions, MemoryStream};
use recount_core::{Clock, Limits};
use recount_disk::{DiskLog, DiskOptions, SyncMode};
use tokio::time::Instant;

use plan::Plan;
use round::{Outcomes, Round};

/// Longer than any round takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// Time as the runtime of a test has it, so that it can be skipped.
struct TestTime(Instant);

impl Clock for TestTime {
    fn now_ms(&self) -> u64 {
        1_700_000_000_000 + u64::try_from(self.0.elapsed().as_millis()).expect("rounds are short")
    }
}

#[test]
fn histories_of_a_log_in_memory() {
    rounds("memory", 120, |seed| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        runtime.expect("a runtime starts").block_on(async {
            let clock = Arc::new(TestTime(Instant::now()));
            let plan = Plan::of(seed, Duration::from_secs(1), 3);
            let parts = (0..plan.partitions).map(|_| {
                let options = MemoryOptions {
                    clock: Arc::clone(&clock) as _,
                    limits: Limits::default(),
                    idempotency_window: Duration::from_hours(24),
                };
                MemoryLog::open(&MemoryStream::default(), options)
            });
            let parts = parts.collect();
            Round::new(plan, parts, clock).run().await
        })
    });
}

#[test]
fn histories_of_a_log_on_disk() {
    rounds("disk", 40, |seed| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        runtime.expect("a runtime starts").block_on(async {
            let clock = Arc::new(TestTime(Instant::now()));
            let place = tempfile::tempdir().expect("a directory");
            let options = DiskOptions {
                sync: SyncMode::Os,
                groups_sync: SyncMode::Os,
                segment_bytes: 4 << 10,
                clock: Arc::clone(&clock) as _,
                ..DiskOptions::default()
            };
            let log = DiskLog::open(place.path(), "history", options).await;
            let plan = Plan::of(seed, Duration::from_secs(1), 1);
            let parts = vec![log.expect("the log opens")];
            Round::new(plan, parts, clock).run().await
        })
    });
}

/// Makes rounds from a seed on, each from the one after.
fn rounds(name: &str, default: u64, round: impl Fn(u64) -> Outcomes) {
    let given = variable("RECOUNT_SEED");
    let from = given.unwrap_or(1);
    let default = if given.is_some() { 1 } else { default };
    let count = variable("RECOUNT_ROUNDS").unwrap_or(default);
    println!("{name}: {count} rounds from seed {from} on");
    for seed in from..from.saturating_add(count) {
        let repeat = format!(
            "RECOUNT_SEED={seed} cargo test -p recount-runtime --test history {name} repeats it"
        );
        let _watch = watch(repeat.clone());
        let outcomes = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| round(seed)));
        let Ok(outcomes) = outcomes else {
            panic!("the round of seed {seed} panicked: {repeat}");
        };
        let complaints = check::complaints(&outcomes);
        assert!(
            complaints.is_empty(),
            "{:#?}\n{complaints}{repeat}",
            outcomes.plan
        );
    }
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    match text.parse() {
        Ok(number) => Some(number),
        Err(error) => panic!("{name} is {text:?}, not a number: {error}"),
    }
}

/// Ends the process with a hint if it is not dropped in time: a round that hangs cannot end by itself.
fn watch(hint: String) -> mpsc::Sender<()> {
    let (alive, ended) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        if ended.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("a round does not end: {hint}");
            std::process::exit(101);
        }
    });
    alive
}
