//! The disk engine under seeded schedules of everything that may happen to it.
//!
//! A schedule is drawn from its seed: appends of every kind, trims, followers, queries, closing and
//! opening, kills, power failures, faults, clock steps. After every step what each handle shows is
//! compared with a model. A failing schedule is printed whole. `cargo xtask sim --help` says how to
//! run more of them, or a single one.

mod calls;
mod check;
mod model;
mod plan;
mod process;
mod run;

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use plan::Plan;
use run::{Run, STREAM};

/// Longer than this no schedule takes: it hangs.
const PATIENCE: Duration = Duration::from_mins(2);
const FAILURES_SHOWN: usize = 5;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    match text.parse() {
        Ok(number) => Some(number),
        Err(error) => panic!("{variable} is {text:?}, not a number: {error}"),
    }
}

#[test]
fn schedules() {
    let from = number("RECOUNT_SIM_FROM").unwrap_or(0);
    let seeds = number("RECOUNT_SIM_SEEDS").unwrap_or(1000);
    let verbose = number("RECOUNT_SIM_TOLD").is_some();
    let end = from.checked_add(seeds).expect("so many seeds there are");
    let threads = std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 4));
    // Followers watch a directory of that name; what is in it is simulated.
    let watched = tempfile::tempdir().expect("a directory");
    std::fs::create_dir_all(watched.path().join("streams").join(STREAM)).expect("a directory");

    let begun = Instant::now();
    let next = AtomicU64::new(from);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let enough = failures.lock().len();
                    if seed >= end || enough >= FAILURES_SHOWN {
                        return;
                    }
                    if let Err(failure) = schedule(seed, watched.path(), verbose) {
                        eprintln!("{failure}");
                        failures.lock().push(seed);
                    }
                }
            });
        }
    });
    let done = next.load(Ordering::Relaxed).min(end) - from;
    let took = begun.elapsed();
    println!("{done} schedules from seed {from} on, in {took:.1?}");
    let failures = failures.into_inner();
    assert!(failures.is_empty(), "schedules failed: seeds {failures:?}");
}

/// Does what a seed says; an error tells all about its failure.
fn schedule(seed: u64, root: &Path, verbose: bool) -> Result<(), String> {
    let plan = Plan::of(seed);
    let states = Mutex::new(Vec::new());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let run = Run::through(&plan, root.to_owned(), &states);
        runtime.block_on(async { tokio::time::timeout(PATIENCE, run).await.is_ok() })
    }));
    // What hangs is left behind.
    runtime.shutdown_background();
    let what = match outcome {
        Ok(true) => {
            if verbose {
                println!("{}", told(&plan, &states.lock()));
            }
            return Ok(());
        }
        Ok(false) => format!("it hangs: nothing happened for {PATIENCE:?}"),
        Err(panic) => panic
            .downcast::<String>()
            .map(|text| *text)
            .or_else(|panic| panic.downcast::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|_| "see above".into()),
    };
    let states = states.into_inner();
    let at = match plan.steps.get(states.len()) {
        Some(step) => format!("at step {}, {step:?}", states.len()),
        None => "at the end, after the last step".into(),
    };
    Err(format!(
        "{}seed {seed} fails {at}:\n{what}\n\
         Once more: cargo xtask sim --seed {seed}\n\
         (The schedule is the same then, but the log's own threads run beside it, so it may take \
         several attempts to fail.)",
        told(&plan, &states)
    ))
}

/// A schedule, and how things stood after each step that was done.
fn told(plan: &Plan, states: &[String]) -> String {
    let mut text = format!("{plan}\n");
    let mut states = states.iter();
    for (number, step) in plan.steps.iter().enumerate() {
        let _ = writeln!(text, "{number:>4} {step:?}");
        if let Some(state) = states.next() {
            let _ = writeln!(text, "       {state}");
        }
    }
    text
}
