//! Power failures and kills at every operation of the storage.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::Duration;

use recount_core::{Event, EventLog, Outcome, Query, TrimLimit, TrimRequest};
use recount_disk::sim::{Moment, Random, SimStorage, Stop};
use recount_disk::{DiskLog, OpenError, SyncMode};

use super::oracle::Oracle;
use super::support::{ROOT, STREAM, appears, event, file, options};

/// One thing that a process does.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Appends three batches of so many events at the same time.
    Append([usize; 3]),
    /// Trims to so many entries.
    Trim(usize),
}

/// A log in use, and what it must hold.
#[derive(Clone)]
struct Run {
    storage: SimStorage,
    oracle: Oracle,
    events: usize,
    random: Random,
}

impl Run {
    fn new(seed: u64) -> Self {
        Self {
            storage: SimStorage::new(seed),
            oracle: Oracle::default(),
            events: 0,
            random: Random::new(seed),
        }
    }

    async fn open(&self, sync: SyncMode) -> Result<DiskLog, OpenError> {
        DiskLog::open(ROOT, STREAM, options(&self.storage, sync)).await
    }

    /// False once the log failed.
    async fn step(&mut self, log: &DiskLog, step: Step, sync: SyncMode) -> bool {
        let alive = match step {
            Step::Append(counts) => {
                let batches = counts.map(|count| {
                    let from = self.events;
                    self.events += count;
                    (from..from + count)
                        .map(|n| event(n, self.random.below(90) as usize))
                        .collect()
                });
                self.oracle
                    .append(log, batches, sync == SyncMode::Always)
                    .await
            }
            Step::Trim(length) => self.oracle.trim(log, length).await,
        };
        assert!(
            alive || self.storage.has_stopped(),
            "the log failed by itself"
        );
        alive
    }

    /// Opens the log and does the steps, then closes it. Whether it got to the end.
    async fn work(&mut self, steps: &[Step], sync: SyncMode) -> bool {
        let log = match self.open(sync).await {
            Ok(log) => log,
            Err(error) => {
                assert!(self.storage.has_stopped(), "{error}");
                return false;
            }
        };
        for &step in steps {
            if !self.step(&log, step, sync).await {
                return false;
            }
        }
        let closed = log.close().await.is_ok();
        if closed {
            self.oracle.closed();
        }
        closed
    }

    /// Opens the log after it was stopped and checks that it lost nothing and goes on.
    async fn check_survived(&mut self, how: Stop) {
        let log = self.open(SyncMode::Always).await.expect("the log opens");
        self.oracle.check_reopened(&log, how == Stop::Power).await;
        assert!(self.oracle.append_lost(&log, true).await);
        assert!(
            self.step(&log, Step::Append([3, 0, 12]), SyncMode::Always)
                .await
        );
        drop(log);
        self.storage = self.storage.crash();
        let log = self
            .open(SyncMode::Always)
            .await
            .expect("the log opens again");
        self.oracle.check_reopened(&log, true).await;
    }
}

/// Fills several segments; one batch is larger than a segment.
const WORKLOAD: [Step; 7] = [
    Step::Append([1, 0, 5]),
    Step::Append([8, 2, 1]),
    Step::Append([30, 0, 0]),
    Step::Trim(25),
    Step::Append([4, 4, 4]),
    Step::Trim(0),
    Step::Append([2, 9, 1]),
];

/// How many operations the workload takes, more or less: the helpers' threads make it vary.
async fn operations(sync: SyncMode) -> u64 {
    let mut run = Run::new(0);
    assert!(run.work(&WORKLOAD, sync).await);
    run.storage.operations()
}

/// What is left when the process ends at an operation.
async fn stopped_at(operation: u64, moment: Moment, how: Stop, sync: SyncMode) -> Run {
    println!("operation {operation}, {moment:?}, {how:?}, {sync}");
    let mut run = Run::new(operation);
    run.storage.stop_at(operation, moment, how);
    run.work(&WORKLOAD, sync).await;
    run.storage = run.storage.restarted();
    run
}

/// Before, after, or when a write has written part of its bytes.
fn moments(operation: u64) -> [Moment; 3] {
    let during = Moment::During(300 + 37 * operation as usize % 900);
    [Moment::Before, during, Moment::After]
}

/// Ends the process at every operation.
async fn survives(how: Stop, sync: SyncMode) {
    for operation in 0..operations(sync).await + 2 {
        let moment = moments(operation)[operation as usize % 3];
        stopped_at(operation, moment, how, sync)
            .await
            .check_survived(how)
            .await;
    }
}

#[tokio::test]
async fn a_power_failure_at_any_operation_takes_nothing_that_was_synced() {
    for operation in 0..operations(SyncMode::Always).await + 2 {
        for moment in moments(operation) {
            let mut run = stopped_at(operation, moment, Stop::Power, SyncMode::Always).await;
            run.check_survived(Stop::Power).await;
        }
    }
}

#[tokio::test]
async fn a_power_failure_takes_the_end_of_what_was_only_written() {
    survives(Stop::Power, SyncMode::Os).await;
    survives(Stop::Power, SyncMode::Interval(Duration::from_millis(1))).await;
}

#[tokio::test]
async fn a_kill_at_any_operation_takes_nothing_that_was_acknowledged() {
    survives(Stop::Kill, SyncMode::Always).await;
    survives(Stop::Kill, SyncMode::Os).await;
    survives(Stop::Kill, SyncMode::Interval(Duration::from_millis(1))).await;
}

#[tokio::test]
async fn recovery_may_be_cut_short_at_any_operation() {
    for sync in [SyncMode::Always, SyncMode::Os] {
        for operation in (20..operations(sync).await).step_by(23) {
            let run = stopped_at(operation, Moment::After, Stop::Power, sync).await;
            recover_with_interruptions(&run).await;
        }
    }
}

async fn recover_with_interruptions(run: &Run) {
    for operation in 0.. {
        let moment = [Moment::Before, Moment::During(70), Moment::After][operation as usize % 3];
        let mut run = run.clone();
        run.storage = run.storage.fork(operation);
        run.storage.stop_at(operation, moment, Stop::Power);
        let log = run.open(SyncMode::Always).await;
        let done = !run.storage.has_stopped();
        drop(log);
        run.storage = run.storage.restarted();
        run.check_survived(Stop::Power).await;
        if done {
            return;
        }
    }
}

/// A session whose last entries are lost goes on where its trimmed ones ended.
#[tokio::test]
async fn revisions_outlive_a_trim_and_a_loss() {
    let storage = SimStorage::new(1);
    let log = DiskLog::open(ROOT, STREAM, options(&storage, SyncMode::Os))
        .await
        .unwrap();
    let rare = |n| Event {
        session_id: "rare".into(),
        ..event(n, 10)
    };
    let filled = Cell::new(0);
    let fill_until = async |there: PathBuf| {
        while storage.content(&there).is_none() {
            log.append(event(filled.replace(filled.get() + 1), 400).into())
                .await
                .unwrap();
        }
    };
    log.append(rare(10_000).into()).await.unwrap();
    fill_until(file("0000000003.log")).await;
    let trim = TrimRequest::exact(TrimLimit::MaxLength(1));
    log.trim(&trim).await.unwrap();
    fill_until(file("0000000006.log")).await;
    log.append(rare(10_001).into()).await.unwrap();
    fill_until(file("0000000009.log")).await;
    // The rows of both are merged.
    appears(&storage, file("sessions-0000000001-0000000008.tbl")).await;

    let mut lost = 0;
    for seed in 0..40 {
        let storage = storage.fork(seed).crash();
        let log = DiskLog::open(ROOT, STREAM, options(&storage, SyncMode::Always))
            .await
            .unwrap();
        let left = log.query(&Query::session("rare")).await.unwrap();
        let receipt = log.append(rare(10_002).into()).await.unwrap();
        let Outcome::Appended { revision, .. } = receipt.outcomes[0] else {
            panic!("{receipt:?}")
        };
        assert_eq!(revision, 2 + left.entries.len() as u64, "seed {seed}");
        lost += usize::from(left.entries.is_empty());
    }
    assert!(lost > 0, "nothing was lost");
}
