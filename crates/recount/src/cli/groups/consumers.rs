//! `recount groups consumers`

use recount::ConsumerInfo;
use serde_json::{Value, json};

use super::{GroupArgs, Opened, failed};
use crate::cli::error::{Failure, Result};
use crate::cli::numbers::id;
use crate::cli::output::{Output, count, one_line, span, terminal_width, thousands};
use crate::cli::settings::Settings;
use crate::cli::table::columns;

/// Show the consumers of a group, or delete one
///
/// A consumer is a name under which a process reads; it is there from its first call on. One that ended
/// cleanly with nothing pending is gone. What is pending for one that died is claimed by another one that
/// runs, sooner or later: deleting it is tidying up.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    name: GroupArgs,

    /// Delete this consumer. One that has entries pending is not deleted without --hand-over-to
    #[arg(long, value_name = "NAME", value_parser = id)]
    delete: Option<String>,

    /// Who gets what is pending for it
    #[arg(long, value_name = "NAME", requires = "delete", value_parser = id)]
    hand_over_to: Option<String>,

    /// Print each consumer as a JSON object, one a line; with --delete, one document
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  recount groups consumers audit
  recount groups consumers audit --delete worker-1
  recount groups consumers audit --delete worker-1 --hand-over-to worker-2";

pub(super) async fn run(args: &Args, settings: &Settings) -> Result {
    match &args.delete {
        Some(consumer) => delete(args, consumer, settings).await,
        None => list(args, settings).await,
    }
}

async fn list(args: &Args, settings: &Settings) -> Result {
    let opened = Opened::for_reading(settings).await?;
    let consumers = opened.groups.consumers(&args.name.group).await;
    let consumers = consumers.map_err(|error| failed(error, settings))?;
    opened.close().await?;
    let mut output = Output::new();
    if args.json {
        for consumer in &consumers {
            output.line(document(consumer))?;
        }
    } else {
        for line in table(&consumers, terminal_width()) {
            output.line(line)?;
        }
    }
    output.flush()?;
    if consumers.is_empty() {
        settings.note("no consumers");
    }
    Ok(())
}

fn table(consumers: &[ConsumerInfo], terminal: Option<usize>) -> Vec<String> {
    if consumers.is_empty() {
        return Vec::new();
    }
    let rows = consumers.iter().map(|consumer| {
        vec![
            thousands(consumer.pending),
            span(consumer.idle_ms),
            one_line(&consumer.name).into_owned(),
        ]
    });
    let rows: Vec<_> = rows.collect();
    columns(&["pending", "idle", "consumer"], &rows, 2, terminal)
}

fn document(consumer: &ConsumerInfo) -> Value {
    json!({
        "name": consumer.name,
        "pending": consumer.pending,
        "idle_ms": consumer.idle_ms,
    })
}

async fn delete(args: &Args, consumer: &str, settings: &Settings) -> Result {
    let opened = Opened::for_changing(settings).await?;
    let group = &args.name.group;
    let heir = args.hand_over_to.as_deref();
    if heir == Some(consumer) {
        return Err(Failure::usage(
            "--hand-over-to names the consumer that is to be deleted",
        ));
    }
    let deleting = async {
        let consumers = opened.groups.consumers(group).await?;
        let is_unknown = |name: &&str| consumers.iter().all(|known| known.name != **name);
        if is_unknown(&consumer) {
            return Ok(None);
        }
        let moved = opened.groups.delete_consumer(group, consumer, heir).await?;
        Ok(Some((moved, heir.filter(is_unknown))))
    };
    let deleted = deleting.await.map_err(|error| failed(error, settings))?;
    opened.close().await?;
    let Some((moved, created)) = deleted else {
        let list = format!("groups consumers {group}");
        return Err(
            Failure::new(format!("group {group} has no consumer {consumer:?}"))
                .hint(format!("{} lists them", settings.command(list))),
        );
    };
    if let Some(heir) = created {
        settings.note(format_args!("consumer {heir} was not there before"));
    }
    let mut output = Output::new();
    if args.json {
        output.line(json!({"deleted": consumer, "handed_over": moved}))?;
    } else {
        let moved = heir.filter(|_| moved > 0).map(|heir| {
            format!(
                ": {heir} has the {} that it had pending",
                count(moved, "entry")
            )
        });
        output.line(format_args!(
            "consumer {consumer} is deleted{}",
            moved.unwrap_or_default()
        ))?;
    }
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consumers_are_listed_with_what_they_owe() {
        let consumer = |name: &str, pending, idle_ms| ConsumerInfo {
            name: name.to_owned(),
            pending,
            idle_ms,
        };
        let consumers = [
            consumer("worker-1", 1_200, 90),
            consumer("w2", 0, 7_300_000),
        ];
        assert_eq!(
            table(&consumers, None),
            [
                "pending   idle  consumer",
                "  1,200  90 ms  worker-1",
                "      0    2 h  w2"
            ]
        );
        assert!(table(&[], None).is_empty());
    }
}
