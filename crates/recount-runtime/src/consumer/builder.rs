//! How a consumer is set up.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use recount_core::{EventLog, GroupStart, GroupStore};

use super::backoff::Backoff;
use super::error::ConsumerError;
use super::handler::{BatchHandler, Handler};
use super::running::RunningConsumer;
use super::work::Work;
use crate::DeadLetters;

/// A member of a consumer group that hands a stream's entries to a handler.
///
/// ```
/// use std::sync::Arc;
/// use recount_core::GroupStart;
/// use recount_runtime::{Consumer, Handler, HandlerError, Message};
///
/// struct Print;
///
/// #[async_trait::async_trait]
/// impl Handler for Print {
///     async fn handle(&self, message: &Message) -> Result<(), HandlerError> {
///         println!("{}", message.key());
///         Ok(())
///     }
/// }
///
/// # async fn consume<L>(log: Arc<L>) -> Result<(), recount_runtime::ConsumerError>
/// # where
/// #     L: recount_core::EventLog + recount_core::GroupStore,
/// # {
/// let running = Consumer::builder(log)
///     .group("audit")
///     .create_from(GroupStart::Start)
///     .keep_failing()
///     .drain(true)
///     .start(Print)
///     .await?;
/// let report = running.finished().await?;
/// println!("{} acknowledged", report.metrics.acked);
/// # Ok(())
/// # }
/// ```
pub struct Consumer;

impl Consumer {
    /// Sets up a consumer of `log`.
    pub fn builder<L: EventLog + GroupStore>(log: Arc<L>) -> ConsumerBuilder {
        let groups: Arc<dyn GroupStore> = Arc::<L>::clone(&log);
        Self::over(log, groups)
    }

    /// Sets up a consumer of a stream whose log and groups are two values.
    pub fn over(log: Arc<dyn EventLog>, groups: Arc<dyn GroupStore>) -> ConsumerBuilder {
        ConsumerBuilder {
            log,
            groups,
            settings: Settings::default(),
        }
    }
}

/// The settings of a [`Consumer`].
#[must_use = "nothing is consumed before it is started"]
pub struct ConsumerBuilder {
    pub(super) log: Arc<dyn EventLog>,
    pub(super) groups: Arc<dyn GroupStore>,
    pub(super) settings: Settings,
}

/// What a builder was told.
#[expect(clippy::struct_excessive_bools, reason = "each is a setting by itself")]
pub(super) struct Settings {
    pub group: Option<String>,
    pub name: Option<String>,
    pub create_from: Option<GroupStart>,
    pub concurrency: usize,
    pub buffer: usize,
    pub ordered: bool,
    pub lease: Duration,
    pub claim_after: Duration,
    pub max_deliveries: u64,
    pub backoff: Backoff,
    pub dead_letters: Option<DeadLetters>,
    pub keep_failing: bool,
    pub hand_undecodable: bool,
    pub in_sequence: bool,
    pub stop_within: Duration,
    pub drain: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            group: None,
            name: None,
            create_from: None,
            concurrency: 16,
            buffer: 256,
            ordered: false,
            lease: Duration::from_secs(10),
            claim_after: Duration::from_mins(1),
            max_deliveries: 5,
            backoff: Backoff::default(),
            dead_letters: None,
            keep_failing: false,
            hand_undecodable: false,
            in_sequence: false,
            stop_within: Duration::from_secs(30),
            drain: false,
        }
    }
}

impl ConsumerBuilder {
    /// The group. It has to be said.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.settings.group = Some(group.into());
        self
    }

    /// The consumer's name, which no other running consumer of the group may have.
    /// Default: host name, process and a random number. A fixed name finds again, at once, what it left behind when it was killed.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = Some(name.into());
        self
    }

    /// Creates the group here if it is missing. Without this, a missing group is an error at the start.
    pub fn create_from(mut self, start: GroupStart) -> Self {
        self.settings.create_from = Some(start);
        self
    }

    /// How many handler calls may run at a time. Default: 16.
    pub fn concurrency(mut self, calls: usize) -> Self {
        self.settings.concurrency = calls;
        self
    }

    /// How many entries may be read ahead and not acknowledged yet. Default: 256, and never less than the handler can
    /// have at a time.
    pub fn buffer(mut self, entries: usize) -> Self {
        self.settings.buffer = entries;
        self
    }

    /// Whether each partition is handled by one consumer of the group at a time, so that the order of every session
    /// survives across processes. All consumers of the group have to agree on it. Default: no: they share
    /// freely, and the order of a session is kept within a process.
    pub fn ordered(mut self, ordered: bool) -> Self {
        self.settings.ordered = ordered;
        self
    }

    /// How long a partition stays with an ordered consumer that was not heard of. Default: 10 s.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.settings.lease = lease;
        self
    }

    /// How long entries stay with a consumer that was not heard of. Default: 60 s.
    pub fn claim_after(mut self, idle: Duration) -> Self {
        self.settings.claim_after = idle;
        self
    }

    /// How often an entry is tried before it becomes a dead letter. Default: 5.
    pub fn max_deliveries(mut self, deliveries: u64) -> Self {
        self.settings.max_deliveries = deliveries;
        self
    }

    /// How long an entry waits after it failed.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.settings.backoff = backoff;
        self
    }

    /// Where entries end that were tried as often as they may be.
    pub fn dead_letters(mut self, letters: DeadLetters) -> Self {
        self.settings.dead_letters = Some(letters);
        self
    }

    /// Instead of [`ConsumerBuilder::dead_letters`]: entries are tried until they succeed. One that never does holds up its
    /// session for ever.
    pub fn keep_failing(mut self) -> Self {
        self.settings.keep_failing = true;
        self
    }

    /// Whether the handler gets entries that are no events too. Default: no, they become dead letters at
    /// once; where there are none, the handler gets them in any case.
    pub fn hand_undecodable(mut self, hand: bool) -> Self {
        self.settings.hand_undecodable = hand;
        self
    }

    /// Whether later entries of a session follow one that became a dead letter, unhandled, until it was
    /// retried or discarded. Default: no, the session goes on without it.
    pub fn in_sequence(mut self, in_sequence: bool) -> Self {
        self.settings.in_sequence = in_sequence;
        self
    }

    /// How long handlers may take to finish when the consumer is stopped. Default: 30 s.
    pub fn stop_within(mut self, deadline: Duration) -> Self {
        self.settings.stop_within = deadline;
        self
    }

    /// Whether the consumer stops by itself once the group has been delivered everything and nothing of it
    /// is left to be taken over. What other consumers still have does not count. Default: no.
    pub fn drain(mut self, drain: bool) -> Self {
        self.settings.drain = drain;
        self
    }

    /// Starts consuming, one call an entry.
    pub async fn start(self, handler: impl Handler) -> Result<RunningConsumer, ConsumerError> {
        self.start_with(1, Work::Each(Box::new(handler))).await
    }

    /// Starts consuming, at most `size` entries a call.
    pub async fn start_batch(
        self,
        handler: impl BatchHandler,
        size: usize,
    ) -> Result<RunningConsumer, ConsumerError> {
        self.start_with(size, Work::Batches(Box::new(handler), size))
            .await
    }

    async fn start_with(
        mut self,
        batch: usize,
        work: Work,
    ) -> Result<RunningConsumer, ConsumerError> {
        self.settings.check(batch)?;
        let Some(group) = self.settings.group.take() else {
            return Err(ConsumerError::Missing {
                what: "a group",
                hint: "call `group`",
            });
        };
        let name = self.settings.name.take().unwrap_or_else(own_name);
        RunningConsumer::start(self, group, name, work).await
    }
}

impl Settings {
    /// Whether it can work at all.
    fn check(&mut self, batch: usize) -> Result<(), ConsumerError> {
        let settings = self;
        if settings.dead_letters.is_none() && !settings.keep_failing {
            return Err(ConsumerError::Missing {
                what: "a place for entries that keep failing",
                hint: "call `dead_letters`, or `keep_failing` to try them for ever",
            });
        }
        if settings.in_sequence && settings.dead_letters.is_none() {
            return Err(ConsumerError::Missing {
                what: "dead letters to keep in sequence",
                hint: "call `dead_letters`, or leave `in_sequence` out",
            });
        }
        for (setting, value) in [
            ("concurrency", settings.concurrency),
            ("buffer", settings.buffer),
            ("the size of a batch", batch),
            ("max_deliveries", settings.max_deliveries as usize),
        ] {
            if value == 0 {
                return Err(ConsumerError::Setting {
                    setting,
                    expected: "at least 1",
                });
            }
        }
        for (setting, value) in [
            ("claim_after", settings.claim_after),
            ("lease", settings.lease),
        ] {
            if value < Duration::from_millis(100) {
                return Err(ConsumerError::Setting {
                    setting,
                    expected: "at least 100 ms",
                });
            }
        }
        settings.buffer = settings
            .buffer
            .max(settings.concurrency.saturating_mul(batch));
        Ok(())
    }
}

/// `<host>-<process>-<four random digits>`.
fn own_name() -> String {
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy();
    let mut name: String = host.chars().take(64).collect();
    let random = uuid::Uuid::new_v4().as_u64_pair().1 & 0xffff;
    // Writing to a string cannot fail.
    let _ = write!(name, "-{}-{random:04x}", std::process::id());
    name
}
