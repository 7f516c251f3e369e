//! Doing what a plan says, and comparing with the model after every step.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use recount_core::{Clock, EventLog, ManualClock, ReadError};
use recount_disk::sim::{Random, SimStorage};
use recount_disk::{DiskLog, DiskOptions, OpenError, Storage, SyncMode};

use super::check::{check_view, partition};
use super::model::Model;
use super::plan::{Plan, START_MS, Step};
use super::process::Process;

pub const STREAM: &str = "s";
/// Readers besides the writer.
const FOLLOWERS_MAX: usize = 3;

/// A stream in use, and what it must hold.
// Each is a fact of its own, and all of them change apart.
#[expect(clippy::struct_excessive_bools)]
pub struct Run<'a> {
    pub plan: &'a Plan,
    pub root: PathBuf,
    pub disk: SimStorage,
    pub process: Process,
    pub clock: Arc<ManualClock>,
    pub writer: Option<DiskLog>,
    /// What an acknowledgement of the writer promises.
    pub mode: SyncMode,
    pub followers: Vec<DiskLog>,
    pub model: Model,
    /// Something may go wrong that is not the log's fault.
    pub faulty: bool,
    /// Something may have gone wrong since the writer began, and it may find out later.
    pub shaken: bool,
    /// The writer has stopped for good.
    pub stopped: bool,
    /// It stopped during this step.
    pub stopping: bool,
    /// How many entries must be there, once a process ended and nobody has looked since.
    unsettled: Option<usize>,
    openings: usize,
    pub random: Random,
}

impl<'a> Run<'a> {
    /// Does everything that the plan says. `states` are told how things stand after each step.
    pub async fn through(plan: &'a Plan, root: PathBuf, states: &Mutex<Vec<String>>) {
        let disk = SimStorage::new(plan.seed);
        // The data directory lies in one that was there before.
        let above = root.parent().expect("it is not the root");
        disk.create_dir_all(above).expect("nothing fails yet");
        for dir in above.ancestors() {
            disk.sync_dir(dir).expect("nothing fails yet");
        }
        let mut run = Self {
            plan,
            root,
            process: Process::start(&disk),
            disk,
            clock: Arc::new(ManualClock::at(START_MS)),
            writer: None,
            mode: SyncMode::Always,
            followers: Vec::new(),
            model: Model::new(plan.window),
            faulty: false,
            shaken: false,
            stopped: false,
            stopping: false,
            unsettled: None,
            openings: 0,
            random: Random::new(!plan.seed),
        };
        for step in &plan.steps {
            run.step(step).await;
            run.shaken |= run.faulty;
            run.stopped |= std::mem::take(&mut run.stopping) && run.writer.is_some();
            run.notice_ends();
            run.check().await;
            states.lock().push(run.state());
        }
        run.end().await;
    }

    fn state(&self) -> String {
        let model = &self.model;
        format!(
            "{} entries, {} trimmed, {} durable; {}, {} followers{}",
            model.entries.len(),
            model.trimmed,
            model.durable,
            match (&self.writer, self.stopped) {
                (None, _) => "no writer".to_owned(),
                (Some(_), true) => "a stopped writer".to_owned(),
                (Some(_), false) => format!("a writer in mode {}", self.mode),
            },
            self.followers.len(),
            if self.faulty {
                ", something may fail"
            } else {
                ""
            }
        )
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Append(orders) => self.append(orders).await,
            Step::Again => self.append_again().await,
            Step::Copy(entries) => self.copy(entries).await,
            Step::Trim(trim) => self.trim(*trim).await,
            Step::Wait(order) => self.wait(order).await,
            Step::Query(asked) => self.query(asked).await,
            Step::Clock(by) => {
                let now = self.clock.now_ms().saturating_add_signed(*by);
                self.clock.set(now);
            }
            Step::Follow => self.follow().await,
            Step::Unfollow => drop(self.followers.pop()),
            Step::SecondWriter => self.second_writer().await,
            Step::Close => self.close().await,
            Step::Kill => self.process.kill(),
            Step::KillAt(operation, moment) => {
                self.process.kill_at(*operation, *moment);
                self.faulty = true;
            }
            Step::PowerFails => {
                // The machine goes on as the next one, whose storage is taken below.
                drop(self.disk.crash());
            }
            Step::PowerFailsAt(operation, moment) => {
                self.disk
                    .stop_at(*operation, *moment, recount_disk::sim::Stop::Power);
                self.faulty = true;
            }
            Step::Fails(fault) => {
                self.disk.fail(*fault);
                self.faulty = true;
            }
            Step::Refuses(what, nth) => {
                self.process.refuse(*what, *nth);
                self.faulty = true;
            }
            Step::Space(bytes) => {
                self.disk.set_space(Some(*bytes));
                self.faulty = true;
            }
            Step::Heal => self.heal(),
        }
    }

    /// Everything works from now on.
    pub fn heal(&mut self) {
        self.disk.heal();
        self.disk.set_space(None);
        self.process.heal();
        self.faulty = false;
    }

    /// Whether the writing process has ended, by itself or with the machine.
    pub fn is_dead(&self) -> bool {
        self.process.is_dead() || self.disk.list(&PathBuf::from("/")).is_err()
    }

    /// Draws the consequences if a process or the machine has ended.
    fn notice_ends(&mut self) {
        let power_failed = self.disk.list(&PathBuf::from("/")).is_err();
        if !power_failed && !self.process.is_dead() {
            return;
        }
        self.writer = None;
        if power_failed {
            self.followers.clear();
            self.disk = self.disk.restarted();
            let left = self.unsettled.unwrap_or(usize::MAX);
            self.unsettled = Some(self.model.durable.min(left));
        } else {
            self.disk.heal();
            self.unsettled.get_or_insert(self.model.entries.len());
        }
        self.process = Process::start(&self.disk);
        self.disk.set_space(None);
        self.faulty = false;
        self.shaken = false;
        self.stopped = false;
    }

    fn options(&self, storage: impl Storage, mode: SyncMode) -> DiskOptions {
        DiskOptions {
            sync: mode,
            idempotency_window: self.plan.window,
            segment_bytes: self.plan.segment_bytes,
            lock_wait: std::time::Duration::ZERO,
            clock: Arc::clone(&self.clock) as _,
            storage: Arc::new(storage),
            ..DiskOptions::default()
        }
    }

    /// Opens the stream for writing unless it is open. False if the process ended meanwhile.
    pub async fn open(&mut self) -> bool {
        while self.writer.is_none() {
            self.mode = self.plan.modes[self.openings % self.plan.modes.len()];
            let options = self.options(self.process.clone(), self.mode);
            match DiskLog::open(&self.root, STREAM, options).await {
                Ok(log) => {
                    self.openings += 1;
                    self.shaken = self.faulty;
                    self.stopped = false;
                    self.settle_on(log).await;
                }
                Err(_) if self.is_dead() => return false,
                Err(error) => {
                    assert!(self.faulty, "the stream does not open: {error}");
                    assert!(
                        matches!(error, OpenError::Storage { .. }),
                        "opening fails as if the data were wrong: {error}"
                    );
                    self.heal();
                }
            }
        }
        true
    }

    /// Compares what a new writer found with what must be there.
    async fn settle_on(&mut self, log: DiskLog) {
        let required = self.unsettled.unwrap_or(self.model.entries.len());
        let info = match partition(&log).await {
            Ok(info) => info,
            // It ended while it was looked at, or could not read: the next opening will tell.
            Err(error) => {
                assert!(self.faulty, "{error}");
                if !self.is_dead() {
                    self.heal();
                    self.process.kill();
                }
                drop(log);
                self.unsettled = Some(required);
                self.notice_ends();
                return;
            }
        };
        if required == self.model.entries.len() && self.unsettled.is_none() {
            assert_eq!(log.recovery(), None, "it was closed in order");
        }
        let added = info.entries_added as usize;
        self.model.settle(added, required).await;
        let trimmed = added - info.length as usize;
        self.model.settle_trim(trimmed).await;
        self.model.durable = added;
        self.unsettled = None;
        self.writer = Some(log);
    }

    async fn follow(&mut self) {
        if self.followers.len() == FOLLOWERS_MAX {
            self.followers.remove(0);
        }
        let options = self.options(self.disk.clone(), SyncMode::Always);
        for _ in 0..2 {
            match DiskLog::open_read_only(&self.root, STREAM, options.clone()).await {
                Ok(log) => return self.followers.push(log),
                Err(_) if self.is_dead() => return,
                Err(OpenError::NoStream { .. }) => {
                    assert_eq!(self.openings, 0, "the stream is not there any more");
                    return;
                }
                Err(error) => {
                    assert!(self.faulty, "the stream cannot be followed: {error}");
                    let about_data = matches!(error, OpenError::Corrupt { .. });
                    assert!(!about_data, "the data seems wrong: {error}");
                    self.disk.heal();
                }
            }
        }
        panic!("the stream cannot be followed twice");
    }

    async fn second_writer(&mut self) {
        if !self.open().await {
            return;
        }
        let options = self.options(self.disk.clone(), SyncMode::Always);
        match DiskLog::open(&self.root, STREAM, options).await {
            Err(OpenError::Locked { .. }) => {}
            Err(error) if self.faulty || self.is_dead() => {
                assert!(matches!(error, OpenError::Storage { .. }), "{error}");
            }
            Err(error) => panic!("a second writer is told: {error}"),
            Ok(log) => {
                assert!(self.is_dead(), "there are two writers");
                log.close().await.expect("nothing fails this one");
            }
        }
    }

    async fn close(&mut self) {
        let Some(log) = self.writer.take() else {
            return;
        };
        match log.close().await {
            Ok(()) => {
                assert!(!self.stopped, "a stopped log closes as if all were well");
                self.model.durable = self.model.entries.len();
            }
            Err(_) if self.is_dead() => {}
            Err(error) => {
                assert!(self.shaken || self.stopped, "closing fails: {error}");
                self.unsettled = Some(self.model.entries.len());
            }
        }
        self.stopped = false;
    }

    /// Compares what everybody sees with the model.
    async fn check(&mut self) {
        self.process.spare(true);
        self.compare().await;
        self.process.spare(false);
        self.notice_ends();
    }

    async fn compare(&mut self) {
        let limit = [1, 7, usize::MAX, usize::MAX][self.random.below(4) as usize];
        let limit = if self.model.retained().len() > 40 {
            limit.max(7)
        } else {
            limit
        };
        for attempt in 0..2 {
            match self.check_all(limit).await {
                Ok(()) => return,
                Err(_) if self.is_dead() => {
                    self.notice_ends();
                    return;
                }
                Err(error) => {
                    assert!(self.faulty && attempt == 0, "a read fails: {error}");
                    let about_data = matches!(error, ReadError::Corrupt { .. });
                    assert!(!about_data, "the data seems wrong: {error}");
                    self.heal();
                }
            }
        }
    }

    async fn check_all(&mut self, limit: usize) -> Result<(), ReadError> {
        if self.writer.is_none() && self.unsettled.is_some() {
            self.settle_on_follower().await?;
        }
        if let Some(log) = &self.writer {
            check_view(log, &self.model, limit, false).await?;
        }
        for log in &self.followers {
            check_view(log, &self.model, limit, self.stopped).await?;
        }
        Ok(())
    }

    /// Where nobody writes, a follower shows what is left.
    async fn settle_on_follower(&mut self) -> Result<(), ReadError> {
        let Some(follower) = self.followers.first() else {
            return Ok(());
        };
        let info = partition(follower).await?;
        let required = self.unsettled.unwrap_or_default();
        let added = info.entries_added as usize;
        self.model.settle(added, required).await;
        if self.mode != SyncMode::Os {
            self.unsettled = Some(added);
        }
        Ok(())
    }

    /// Everything once more, after an end of the process and a new beginning.
    async fn end(&mut self) {
        self.heal();
        match self.random.below(3) {
            0 => self.close().await,
            1 => self.process.kill(),
            _ => drop(self.disk.crash()),
        }
        self.notice_ends();
        self.check().await;
        assert!(self.open().await, "nothing ends this process");
        self.follow().await;
        self.append_again().await;
        self.check().await;
        self.query_each().await;
        self.close().await;
        self.check().await;
    }
}
