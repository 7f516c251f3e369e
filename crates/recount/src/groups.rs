//! Consumer groups: the way from a handle to what consumes its stream.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use recount_core::{GroupError, GroupStore, Retention};
use recount_runtime::{
    Access, Consumer, ConsumerBuilder, DeadLetters, Handler, HandlerError, Message,
};

use crate::{Builder, OpenError, Recount};

/// The groups of a stream that was opened by its URL.
pub(crate) struct Groups {
    store: Arc<dyn GroupStore>,
    /// How the stream was opened, for the streams of dead letters beside it.
    opened: Builder,
    /// A directory has one writer: whoever asks for a group's letters shares them.
    dead: Mutex<HashMap<String, DeadLetters>>,
}

impl Groups {
    pub(crate) fn new(store: Arc<dyn GroupStore>, opened: Builder) -> Self {
        Self {
            store,
            opened,
            dead: Mutex::default(),
        }
    }

    fn dead(&self) -> MutexGuard<'_, HashMap<String, DeadLetters>> {
        self.dead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The dead letters that were asked for so far, to be closed.
    pub(crate) fn take_dead(&self) -> Vec<DeadLetters> {
        self.dead().drain().map(|(_, letters)| letters).collect()
    }
}

impl Recount {
    /// The consumer groups of the log, with their whole contract. What they deliver went through the
    /// upcasters. Fails with [`GroupError::Unsupported`] on a handle over a log of another kind
    /// ([`Recount::over`]).
    pub fn groups(&self) -> Result<Arc<dyn GroupStore>, GroupError> {
        Ok(Arc::clone(&self.grouped()?.store))
    }

    /// Starts to describe a consumer of a group: a handler of yours that every event is handed to until it
    /// succeeds, or becomes a dead letter in the stream `<stream>:dead:<group>`.
    ///
    /// ```
    /// use recount::{Event, EventType, GroupStart, HandlerError, Recount};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let url = format!("disk:{}", folder.path().display());
    /// let recount = Recount::open(&url).await?; // such as "disk:recount-data"
    /// recount.record(Event::builder(EventType::SessionStarted, "s1").build()?).await?;
    ///
    /// let consumer = recount
    ///     .consumer("audit")?
    ///     .create_from(GroupStart::Start)
    ///     .drain(true) // ends when nothing is left; without it, it goes on until it is stopped
    ///     .start(recount::handler(async |message| {
    ///         println!("{}", recount::json::line(&message.entry));
    ///         Ok::<(), HandlerError>(()) // acknowledged once this returns
    ///     }))
    ///     .await?;
    /// let report = consumer.finished().await?;
    /// assert_eq!(report.metrics.acked, 1);
    /// # recount.close().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn consumer(&self, group: &str) -> Result<ConsumerBuilder, GroupError> {
        let groups = self.groups()?;
        Ok(Consumer::over(Arc::clone(self.log()), groups)
            .group(group)
            .dead_letters(self.dead_letters(group)?))
    }

    /// What a group gave up on. It is closed with this handle.
    pub fn dead_letters(&self, group: &str) -> Result<DeadLetters, GroupError> {
        let groups = self.grouped()?;
        let mut dead = groups.dead();
        let letters = dead
            .entry(group.to_owned())
            .or_insert_with(|| letters(&groups.opened, group));
        Ok(letters.clone())
    }
}

/// The letters of a group, in a stream beside the one that `opened` opens.
fn letters(opened: &Builder, group: &str) -> DeadLetters {
    let opened = opened.clone().for_dead_letters(group);
    DeadLetters::new(group, move |access| {
        let opened = opened.clone();
        async move {
            let opened = match access {
                Access::Read => opened.read_only(),
                Access::Write => opened,
            };
            match opened.open().await {
                Ok(recount) => Ok(Some(Arc::clone(recount.log()))),
                Err(error) if access == Access::Read && error.is_no_stream() => Ok(None),
                Err(error) => Err(Box::new(error) as Box<dyn Error + Send + Sync>),
            }
        }
    })
}

impl Builder {
    /// The same for the stream of a group's dead letters: everything is kept there, and not mirrored.
    fn for_dead_letters(mut self, group: &str) -> Self {
        self.config.stream = DeadLetters::stream(&self.config.stream, group);
        self.config.limits = DeadLetters::limits(&self.config.limits);
        self.config.retention = Retention::default();
        self.config.mirror = None;
        self.config.redis.partitions = None;
        self
    }
}

/// A [`Handler`] made of a function, for handlers that need no name.
pub fn handler<F, Handled>(function: F) -> impl Handler
where
    F: Fn(Message) -> Handled + Send + Sync + 'static,
    Handled: Future<Output = Result<(), HandlerError>> + Send + 'static,
{
    Function(function)
}

struct Function<F>(F);

#[async_trait]
impl<F, Handled> Handler for Function<F>
where
    F: Fn(Message) -> Handled + Send + Sync + 'static,
    Handled: Future<Output = Result<(), HandlerError>> + Send + 'static,
{
    async fn handle(&self, message: &Message) -> Result<(), HandlerError> {
        (self.0)(message.clone()).await
    }
}

impl OpenError {
    /// Whether there is no such stream.
    pub fn is_no_stream(&self) -> bool {
        matches!(
            self,
            Self::Disk(recount_disk::OpenError::NoStream { .. })
                | Self::Redis(recount_redis::OpenError::NoStream { .. })
        )
    }
}
