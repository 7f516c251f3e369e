//! `recount consume`

mod child;
mod command;
mod feed;
mod once;
mod said;
mod stop;
mod summary;
mod trouble;

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use recount::{
    ConsumerBuilder, ConsumerError, ConsumerReport, GroupError, Handler, RunningConsumer,
};

pub(in crate::cli) use self::child::Program;
pub(crate) use self::child::end_all;
use self::command::Commands;
use self::feed::Feed;
pub(in crate::cli) use self::once::{Failed, once, told_of};
pub(in crate::cli) use self::stop::Stop;
use self::summary::{document, sentence};
use super::error::{Failure, Result};
use super::groups::{GroupFlag, Opened, PLACE, Place, failed};
use super::interrupt::Interrupt;
use super::numbers::{from_1, id};
use super::output::{Output, quoted, span};
use super::pending::idle;
use super::settings::Settings;

/// Consume a group: hand each event to a command, and acknowledge what it has handled
///
/// The command is run once an event, with the event as a line of JSON on its standard input and its place in
/// RECOUNT_* variables (below). Exit code 0 acknowledges the event. Any other is a failure, and the last line
/// on its standard error says why: the event is tried again after a while, and after --max-deliveries it is a
/// dead letter (recount dead). Delivery is at least once: RECOUNT_KEY is the same whenever an event comes again.
///
/// With --feed one command runs all the time. It is given an event a line, and answers each, in any order,
/// with a line {"id": ID, "ok": true} or {"id": ID, "ok": false, "error": TEXT}, where ID is the event's id. If
/// it ends, it is started again, and what it has not answered is tried again. With --feed=blind it answers
/// nothing, its output goes where that of recount goes, and an event is acknowledged once it is written to it.
///
/// Within a process, events of one session are handled one after the other, in order. On a server several
/// processes, each with a name of its own, share a group, and any of them may get any event, unless --ordered is
/// given; on disk, one process at a time consumes. Ctrl-C and SIGTERM let the commands at work finish, give back
/// the rest and exit with 130; a second one ends at once. What a killed process had pending, others take over
/// after --claim-after, and a process of the same name at once.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
// Each is a flag of its own.
#[expect(clippy::struct_excessive_bools)]
pub(super) struct Args {
    #[command(flatten)]
    group: GroupFlag,

    /// The consumer's name; no two that run may have the same [default: host, process id, a random number]
    #[arg(long, value_name = "NAME", value_parser = id)]
    name: Option<String>,

    #[arg(long, value_name = "PLACE", help = format!("Create the group if it is missing, to begin at PLACE: {PLACE}. \
        Without it, a missing group is an error"))]
    from: Option<Place>,

    /// Events that are handled at the same time at most, each of another session [default: 1, and 64 with --feed]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = from_1::<u32>)]
    concurrency: Option<u32>,

    /// Keep the order of each session across processes, too: each partition goes to one consumer of the
    /// group at a time. All of them must say so
    #[arg(long)]
    ordered: bool,

    /// After a dead letter, let the later events of its session follow it until it is retried or discarded
    #[arg(long)]
    in_sequence: bool,

    /// End once nothing is left to be handled; what other consumers have in hand does not count
    #[arg(long)]
    drain: bool,

    /// How often an event is tried before it is a dead letter
    #[arg(long, value_name = "N", default_value = "5", allow_negative_numbers = true, value_parser = from_1::<u64>)]
    max_deliveries: u64,

    /// Take over what another consumer has had for so long without a sign of life; 100ms at least
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = idle)]
    claim_after: Duration,

    /// Run one command all the time, and write it an event a line
    #[arg(
        long,
        value_name = "HOW",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "answered"
    )]
    feed: Option<FeedMode>,

    /// Print one JSON document at the end
    #[arg(long)]
    json: bool,

    /// The command, with its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// How a fed command acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FeedMode {
    /// by answering each event with a line; this is what --feed alone means
    Answered,
    /// not at all: what is written to it counts as handled
    Blind,
}

const EXAMPLES: &str = r"Examples:
  recount consume --group audit --from start -- ./audit.sh
  recount consume --group webhooks --name hook-1 --concurrency 8 -- \
      curl -fsS --json @- https://example.org/hook
  recount consume --group analytics --feed -- python3 analytics.py
  recount consume --group debug --from end --feed=blind -- jq .
  recount consume --group audit --drain -- sh -c 'jq -r .type >> types.txt'

Variables of a command that is run once an event:
  RECOUNT_ENTRY_ID        the entry's id
  RECOUNT_PARTITION       its partition, from 0
  RECOUNT_EVENT_ID        the event's id
  RECOUNT_EVENT_TYPE      its type
  RECOUNT_SESSION_ID      its session
  RECOUNT_GROUP           the group
  RECOUNT_CONSUMER        the consumer's name
  RECOUNT_DELIVERY_COUNT  the how many-th attempt this is, from 1
  RECOUNT_KEY             GROUP/PARTITION/ENTRY_ID, to remember what is done
  RECOUNT_LEASE_TOKEN     with --ordered: greater for each later owner";

pub(super) async fn run(args: Args, settings: &Settings, mut interrupt: Interrupt) -> Result {
    let program = Program::new(args.command.clone())?;
    let mut stop = Stop::listen(interrupt.clone());
    let opening = async {
        match args.from {
            Some(_) => Opened::creating(settings).await,
            None => Opened::for_changing(settings).await,
        }
    };
    let opened = interrupt.unless(opening).await?;
    let work = Work::start(&args, program)?;
    let running = stop.unless(start(&args, &opened, &work, settings)).await;
    let ended = match running {
        Ok(running) => consume(&running, &work, &mut stop, settings).await,
        Err(failure) => Err(failure),
    };
    work.end().await;
    opened.close_soon(&mut interrupt).await?;
    let Ended { report, because } = ended?;
    let mut output = Output::new();
    if args.json {
        output.line(document(&report))?;
        output.flush()?;
    }
    settings.note(sentence(&report));
    if report.metrics.dead > 0 {
        let list = format!("dead list --group {}", quoted(&args.group.group));
        settings.note(format_args!(
            "{} shows the dead letters",
            settings.command(list)
        ));
    }
    because
}

/// What the consumer did, and why it ended.
struct Ended {
    report: ConsumerReport,
    because: Result,
}

async fn start(
    args: &Args,
    opened: &Opened,
    work: &Work,
    settings: &Settings,
) -> Result<RunningConsumer> {
    let group = &args.group.group;
    let consumer = opened.log.consumer(group);
    let consumer = consumer.map_err(|error| failed(error, settings))?;
    let partitions = opened.log.log().partitions();
    let started = args.set_up(consumer, partitions).start(work.handler());
    started.await.map_err(|error| not_consumed(error, settings))
}

async fn consume(
    running: &RunningConsumer,
    work: &Work,
    stop: &mut Stop,
    settings: &Settings,
) -> Result<Ended> {
    settings.note(format_args!(
        "consuming group {} as {}, Ctrl-C ends",
        running.group(),
        running.name()
    ));
    let (report, because) = tokio::select! {
        report = running.finished() => (report, Ok(())),
        failure = work.broken() => (running.stop().await, Err(failure)),
        never = trouble::tell(running) => match never {},
        () = stop.asked() => {
            settings.note(format_args!(
                "ending: what is at work may finish within {}; Ctrl-C again ends at once",
                span(STOP_WITHIN.as_millis() as u64)
            ));
            (running.stop().await, Err(Failure::Interrupted))
        }
    };
    let report = report.map_err(|error| not_consumed(error, settings))?;
    Ok(Ended { report, because })
}

/// How long commands may take to finish after Ctrl-C.
const STOP_WITHIN: Duration = Duration::from_secs(30);

impl Args {
    fn set_up(&self, consumer: ConsumerBuilder, partitions: u32) -> ConsumerBuilder {
        let mut consumer = consumer
            .ordered(self.ordered)
            .in_sequence(self.in_sequence)
            .drain(self.drain)
            .max_deliveries(self.max_deliveries)
            .claim_after(self.claim_after)
            .stop_within(STOP_WITHIN)
            .concurrency(self.concurrency());
        if self.feed.is_none() {
            // What is read ahead of a slow command could be with another process. A little is: the next
            // event may be of a session that is being handled.
            let calls = self.concurrency();
            consumer = consumer.buffer(calls + calls / 2);
        }
        if let Some(name) = &self.name {
            consumer = consumer.name(name);
        }
        match self.from {
            Some(place) => consumer.create_from(place.start(partitions)),
            None => consumer,
        }
    }

    fn concurrency(&self) -> usize {
        const FED: u32 = 64;
        let default = if self.feed.is_some() { FED } else { 1 };
        self.concurrency.unwrap_or(default) as usize
    }
}

/// Why the consumer does not run, with what to do.
fn not_consumed(error: ConsumerError, settings: &Settings) -> Failure {
    match error {
        ConsumerError::Group {
            source: source @ GroupError::NoGroup { .. },
            ..
        } => {
            let message = source.to_string();
            Failure::new(message.split(": ").next().unwrap_or(&message)).hint(format!(
                "--from start creates it with all events there are, --from end with those to come; {} lists \
                 the groups there are",
                settings.command("groups")
            ))
        }
        ConsumerError::Group { source, .. } => failed(source, settings),
        ConsumerError::Setting { setting, expected } => {
            let flag = setting.replace('_', "-");
            Failure::usage(format!("--{flag} must be {expected}"))
        }
        other => other.into(),
    }
}

/// What handles the events.
enum Work {
    Commands(Arc<Commands>),
    Feed(Arc<Feed>),
}

impl Work {
    fn start(args: &Args, program: Program) -> Result<Self> {
        Ok(match args.feed {
            None => Self::Commands(Arc::new(Commands::new(program))),
            Some(mode) => Self::Feed(Feed::start(program, mode == FeedMode::Blind)?),
        })
    }

    fn handler(&self) -> Arc<dyn Handler> {
        match self {
            Self::Commands(commands) => Arc::clone(commands) as _,
            Self::Feed(feed) => Arc::clone(feed) as _,
        }
    }

    /// Returns once no event can be handled any more.
    async fn broken(&self) -> Failure {
        match self {
            Self::Commands(commands) => commands.broken().await,
            // It is started again, for ever.
            Self::Feed(_) => std::future::pending().await,
        }
    }

    /// Lets what runs all the time end.
    async fn end(self) {
        if let Self::Feed(feed) = self {
            feed.end().await;
        }
    }
}
