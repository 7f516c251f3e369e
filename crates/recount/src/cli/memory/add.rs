//! `recount memory add`

use std::io::Read as _;

use recount::memory::{MemoryError, NewMessage};
use recount::{AppendError, EventId, Moment};

use super::writer::Writer;
use crate::cli::error::{Failure, Result};
use crate::cli::numbers::from_0;
use crate::cli::output::quoted;
use crate::cli::settings::Settings;

/// Add a message to the memory
///
/// Answers with a line once the message is durable: appended or duplicate (it was there already), the entry id, the
/// event id, the session's revision.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    pub(super) writer: Writer,

    /// What was said; - for all of standard input
    #[arg(value_name = "TEXT", allow_hyphen_values = true)]
    text: String,

    /// Who said it: user, assistant, system, tool or another
    #[arg(long, value_name = "ROLE")]
    role: String,

    /// Its own id, by which adding it again is noticed [default: a new UUIDv7]
    #[arg(long, value_name = "ID", value_parser = crate::cli::numbers::id)]
    id: Option<String>,

    /// When it was said: 5m (ago), 2026-01-02T10:00 (UTC), RFC 3339, ... [default: now]
    #[arg(long, value_name = "TIME")]
    timestamp: Option<Moment>,

    /// Tokens that it counts
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = from_0::<u64>)]
    tokens: Option<u64>,

    /// The model that said it
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  recount memory add s1 --role user \"Hello\"
  recount memory add s1 --role assistant --model gpt-5-mini --tokens 12 \"Hi\"
  my-agent answer | recount memory add s1 --role assistant -
  recount memory add s1 --role user --expect-revision 4 \"Go on\" --json";

pub(super) async fn run(args: Args, settings: &Settings) -> Result {
    let text = if args.text == "-" {
        read_all(settings.config().limits.event_bytes_max).await?
    } else {
        args.text
    };
    let chosen = args.id.is_some();
    // Known here, it can be told where what became of the message is not known.
    let id = args.id.unwrap_or_else(|| EventId::generate().to_string());
    let mut message = NewMessage::new(args.role, text).id(&id);
    if let Some(at) = args.timestamp {
        message = message.happened(at.timestamp());
    }
    if let Some(tokens) = args.tokens {
        message = message.tokens(tokens);
    }
    if let Some(model) = args.model {
        message = message.model(model);
    }
    let writer = &args.writer;
    let (log, memory) = writer.open(settings).await?;
    let written = memory.add_message(message).await.map_err(|error| {
        let unknown = matches!(
            error,
            MemoryError::Append(
                AppendError::Unavailable { .. }
                    | AppendError::Unconfirmed { .. }
                    | AppendError::Stopped { .. }
            )
        );
        let failure = writer.failed(error, settings);
        if unknown && !chosen {
            let id = quoted(&id);
            failure.hint(format!(
                "add it again with --id {id}, which it was given: without, it is added again"
            ))
        } else {
            failure
        }
    })?;
    writer.tell(&written, settings)?;
    log.close().await?;
    Ok(())
}

/// Standard input up to its end, without the last line's end.
async fn read_all(bytes_max: usize) -> Result<String> {
    let reading = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        let stdin = std::io::stdin().lock();
        stdin
            .take(bytes_max as u64 + 1)
            .read_to_end(&mut bytes)
            .map(|_| bytes)
    });
    let read = reading
        .await
        .map_err(|error| Failure::new(error.to_string()))?;
    let mut bytes =
        read.map_err(|error| Failure::new(format!("reading standard input: {error}")))?;
    if bytes.len() > bytes_max {
        return Err(Failure::usage(format!(
            "standard input holds more than {bytes_max} bytes, which is what an event can hold"
        ))
        .hint("limits.event_bytes allows more (see recount config)"));
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::usage(format!(
            "standard input is not UTF-8 text, from byte {at} on"
        ))
    })
}
