//! `recount publish`

mod answers;
mod input;
mod ndjson;
mod refused;

use std::io::{self, IsTerminal as _};

use recount::{AppendError, Batch, Event, EventType, JsonObject, Limits, Moment, Recount};

use self::answers::{Answers, Tally};
use self::input::Input;
use self::refused::{Given, refused};
use super::error::{Failure, Result};
use super::interrupt::Interrupt;
use super::numbers::{from_0, from_1};
use super::settings::{AppendArgs, Settings};
use super::stdin;

/// Record events: one from flags, or NDJSON from standard input
///
/// Standard input takes one JSON object a line, of which "type" and "session_id" are required. A
/// missing id, timestamp, version or data is filled in; the "entry_id" of an export is passed over:
/// the log gives out its own. A key that no event has is an error.
///
/// Each event is answered by a line on standard output once it is durable: appended, duplicate (it
/// was there already) or conflict (another event has its id), the entry id, the event id. What was
/// not answered may be published again, without harm where the events have ids of their own.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The event's type: message.added, tool.called, ... or one of your own
    #[arg(long = "type", value_name = "TYPE", requires = "session")]
    event_type: Option<EventType>,

    /// The session it belongs to
    #[arg(long, value_name = "ID", requires = "event_type")]
    session: Option<String>,

    /// The user it happened for
    #[arg(long, value_name = "ID", requires = "event_type")]
    user: Option<String>,

    /// The agent that did it
    #[arg(long, value_name = "ID", requires = "event_type")]
    agent: Option<String>,

    /// The trace it belongs to
    #[arg(long, value_name = "ID", requires = "event_type")]
    trace: Option<String>,

    /// The id of the event that caused it
    #[arg(long, value_name = "ID", requires = "event_type")]
    causation: Option<String>,

    /// Its own id, by which publishing it again is noticed [default: a new UUIDv7]
    #[arg(long, value_name = "ID", requires = "event_type")]
    id: Option<String>,

    /// When it happened: 5m (ago), 2026-01-02T10:00 (UTC), RFC 3339, ... [default: now]
    #[arg(long, value_name = "TIME", requires = "event_type")]
    timestamp: Option<Moment>,

    /// The schema version of its data [default: 1]
    #[arg(long, value_name = "N", requires = "event_type", allow_negative_numbers = true, value_parser = from_1::<u32>)]
    version: Option<u32>,

    /// Its data, a JSON object [default: {}]
    #[arg(long, value_name = "JSON", requires = "event_type")]
    data: Option<String>,

    /// Append all of the input or nothing: as one batch of up to 10,000 events, or what
    /// limits.batch_events says, refused whole if one conflicts
    #[arg(long)]
    strict: bool,

    /// Append all of the input or nothing, and only if its one session holds N entries so far
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = from_0::<u64>)]
    expect_revision: Option<u64>,

    /// Report malformed lines and go on, instead of stopping at the first one
    #[arg(long, conflicts_with_all = ["strict", "expect_revision"])]
    skip_invalid: bool,

    /// Answer in JSON, one object a line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub(super) append: AppendArgs,
}

const EXAMPLES: &str = "\
Examples:
  recount publish --type message.added --session s1 --user ada \\
      --data '{\"role\":\"user\",\"content\":\"Hello\"}'
  recount publish --type session.ended --session s1 --expect-revision 12
  my-agent --log-json | recount publish --quiet
  echo '{\"id\":\"e1\",\"type\":\"note\",\"session_id\":\"s1\"}' | recount publish --json

Event types and the keys of their data:
  message.added     role (user, assistant, ...), content, tokens, tokens_in,
                    tokens_out, cost, model
  session.started   metadata
  session.ended     reason, duration_ms, reward
  session.forked    parent_session_id, at_entry_id, at_partition, at_revision,
                    state
  tool.called       tool, arguments, call_id
  tool.returned     tool, call_id, result, duration_ms
  error.occurred    message, code, tool, call_id
  summary.created   summary, message_count, model
  memory.cleared    reason, message_count
  search.performed  query, results_count, duration_ms

What recount state acts on:
  role, content and tokens of messages; call_id, by which a result or an error
  closes a tool call; the message or code of errors; summary; the reason for
  which a session ended; memory.cleared. Every key may be missing; other keys
  and types of your own are kept as they are.";

pub(super) async fn run(args: Args, settings: &Settings, mut interrupt: Interrupt) -> Result {
    let conditions = Batch {
        events: Vec::new(),
        strict: args.strict,
        expected_revision: args.expect_revision,
    };
    let whole = args.strict || args.expect_revision.is_some();
    let (json, skip_invalid) = (args.json, args.skip_invalid);
    let limits = settings.config().limits;
    let own_id = args.id.is_some();
    let single = args.event(&limits)?;
    if single.is_some() && stdin::holds_data() {
        return Err(Failure::usage(
            "the flags describe one event, but there is something on standard input, which is not read then",
        )
        .hint("use one or the other: leave out --type and the rest, or add < /dev/null"));
    }
    let log = interrupt.unless(settings.open()).await?;
    let mut publisher = Publisher {
        log: &log,
        settings,
        interrupt: interrupt.clone(),
        answers: Answers::new(json),
        tally: Tally::default(),
    };
    let result = if let Some(event) = single {
        let given = Given {
            id: event.id.clone(),
            own_id,
            line: None,
        };
        let events = vec![event];
        let batch = Batch {
            events,
            ..conditions
        };
        publisher.append(batch, vec![given]).await
    } else {
        invite(settings);
        let mut input = Input::new(limits, skip_invalid, whole, interrupt);
        let result = if whole {
            publisher.append_whole(&mut input, conditions).await
        } else {
            publisher.append_stream(&mut input).await
        };
        publisher.tally.skipped = input.skipped();
        result
    };
    let Publisher {
        tally,
        mut interrupt,
        ..
    } = publisher;
    // Whatever happened, what was acknowledged is to be synced, and counted.
    let closed = interrupt.close(&log).await;
    settings.note(tally.sentence());
    result?;
    closed?;
    tally.verdict()
}

/// Tells a person at a terminal what is expected.
fn invite(settings: &Settings) {
    if io::stdin().is_terminal() {
        settings.note(
            "type events, one JSON object a line, and end with Ctrl-D; such as\n  {\"type\":\"message.added\",\"session_id\":\"s1\",\"data\":{\"role\":\"user\",\"content\":\"Hello\"}}",
        );
    }
}

impl Args {
    /// The event that the flags describe, if they do.
    fn event(self, limits: &Limits) -> Result<Option<Event>> {
        let (Some(event_type), Some(session)) = (self.event_type, self.session) else {
            return Ok(None);
        };
        let mut event = Event::builder(event_type, session);
        if let Some(user) = self.user {
            event = event.user(user);
        }
        if let Some(agent) = self.agent {
            event = event.agent(agent);
        }
        if let Some(trace) = self.trace {
            event = event.trace(trace);
        }
        if let Some(cause) = self.causation {
            event = event.causation(cause);
        }
        if let Some(id) = self.id {
            event = event.id(id);
        }
        if let Some(at) = self.timestamp {
            event = event.timestamp(at.timestamp());
        }
        if let Some(version) = self.version {
            event = event.version(version);
        }
        if let Some(data) = self.data {
            let data = JsonObject::parse(data)
                .map_err(|error| Failure::usage(format!("--data: {error}")))?;
            event = event.data(data);
        }
        let event = event.build()?;
        event.validate(limits)?;
        Ok(Some(event))
    }
}

/// Appends batches and answers for them.
struct Publisher<'a> {
    log: &'a Recount,
    settings: &'a Settings,
    interrupt: Interrupt,
    answers: Answers,
    tally: Tally,
}

impl Publisher<'_> {
    /// Appends what arrives as it arrives, up to the first bad line.
    async fn append_stream(&mut self, input: &mut Input) -> Result {
        let events_max = self.settings.config().batch_size;
        let bytes_max = self.settings.batch_bytes();
        loop {
            let (mut events, mut given) = (Vec::new(), Vec::new());
            let mut bytes = 0;
            // The first event is waited for; what has arrived by then goes along.
            let stopped = loop {
                if events.len() == events_max || bytes > bytes_max {
                    break None;
                }
                match input.next(!events.is_empty()).await {
                    Ok(Some(read)) => {
                        bytes += read.event.wire_bytes();
                        given.push(Given::from(&read));
                        events.push(read.event);
                    }
                    Ok(None) => break None,
                    Err(failure) => break Some(failure),
                }
            };
            let end = events.is_empty();
            if !end {
                self.append(Batch::new(events), given).await?;
            }
            match stopped {
                Some(failure) => return Err(failure),
                None if end => return Ok(()),
                None => {}
            }
        }
    }

    /// Appends all of the input at once.
    async fn append_whole(&mut self, input: &mut Input, conditions: Batch) -> Result {
        let events_max = self.settings.config().limits.batch_events_max;
        let (mut events, mut given) = (Vec::new(), Vec::new());
        while let Some(read) = input.next(false).await? {
            if events.len() == events_max {
                return Err(Failure::usage(format!(
                    "the input has more than {events_max} events, which is what one batch can hold: nothing was appended"
                ))
                .hint("leave out --strict and --expect-revision, or publish in parts"));
            }
            given.push(Given::from(&read));
            events.push(read.event);
        }
        if events.is_empty() && conditions.expected_revision.is_some() {
            return Err(Failure::usage(
                "standard input holds no event that --expect-revision could be about",
            )
            .hint("pipe in the events of one session, or describe one with --type and --session"));
        }
        let batch = Batch {
            events,
            ..conditions
        };
        self.append(batch, given).await
    }

    /// Appends the events that were `given`.
    async fn append(&mut self, batch: Batch, given: Vec<Given>) -> Result {
        let appending = async { Ok(self.log.append(batch).await) };
        let receipt = self.interrupt.or_soon(appending).await?;
        if let Err(AppendError::Unconfirmed { .. }) = receipt {
            self.tally.unconfirmed += given.len() as u64;
        }
        let receipt = receipt.map_err(|error| refused(error, &given, self.settings))?;
        self.tally.add(&receipt);
        for (given, outcome) in given.iter().zip(&receipt.outcomes) {
            self.answers
                .line(given.id.as_str(), outcome)
                .map_err(|failure| unanswered(failure, self.settings))?;
        }
        let flushed = self.answers.flush();
        flushed.map_err(|failure| unanswered(failure, self.settings))
    }
}

/// With nobody to answer to, going on would publish what nobody learns of.
fn unanswered(failure: Failure, settings: &Settings) -> Failure {
    match failure {
        Failure::OutputClosed => Failure::new(
            "standard output was closed while publishing: the events after that were not published",
        )
        .hint(format!(
            "{} ... > /dev/null publishes without answers",
            settings.command("publish")
        )),
        failure => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;
    use recount::payload::Payload;

    /// The keys of a payload, as its `Debug` names them: all but the map of the others.
    fn documented(event_type: &EventType) -> Vec<String> {
        let event = Event::builder(event_type.clone(), "s").build().unwrap();
        let payload = format!("{:?}", Payload::of(&event).unwrap());
        let before = payload.split(": None").map(str::to_owned);
        let mut keys: Vec<_> = before
            .map(|text| text.rsplit([' ', '{']).next().unwrap().to_owned())
            .collect();
        // What stands behind the last one.
        keys.pop();
        keys
    }

    #[test]
    fn the_help_tells_every_known_type_and_its_keys() {
        let help = crate::cli::Cli::command();
        let help = help.find_subcommand("publish").unwrap();
        let sections = crate::cli::help::sections(help);
        let types = sections
            .iter()
            .find(|section| section.title.starts_with("Event types"))
            .unwrap();
        // A line that goes on with the one before is indented.
        let lines = types.lines.join("\n").replace("\n  ", " ");
        let told = lines.lines().map(|line| {
            let (name, keys) = line.split_once(' ').unwrap();
            // Without the examples of a key's values.
            let keys = keys.replace(" (user, assistant, ...)", "");
            let keys: Vec<_> = keys.split(',').map(|key| key.trim().to_owned()).collect();
            (name.to_owned(), keys)
        });
        let known = EventType::KNOWN
            .iter()
            .map(|known| (known.to_string(), documented(known)));
        let (mut told, mut known): (Vec<_>, Vec<_>) = (told.collect(), known.collect());
        told.sort();
        known.sort();
        assert_eq!(told, known);
    }
}
