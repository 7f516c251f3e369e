//! `recount memory summarize`

use recount::memory::{Extractive, Summarized, Summarizer};
use serde_json::json;

use super::writer::{self, Writer};
use crate::cli::error::Result;
use crate::cli::output::{Output, count};
use crate::cli::settings::{Settings, warn};

/// Make a summary of what was said since the last one, and record it
///
/// The new summary takes in the one before it. Without more it is made of the sentences that say most, without a
/// model. With summarizer.url and summarizer.model set, a model is asked, over the interface that OpenAI's have and
/// most others too; RECOUNT_SUMMARIZER_KEY is the key that it may need. The messages stay in the memory.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    pub(super) writer: Writer,

    /// Ask no model, whatever the settings are
    #[arg(long)]
    extractive: bool,
}

const EXAMPLES: &str = "\
Examples:
  recount memory summarize s1
  export RECOUNT_SUMMARIZER_URL=http://localhost:11434/v1 \\
      RECOUNT_SUMMARIZER_MODEL=qwen3 && recount memory summarize s1";

pub(super) async fn run(args: &Args, settings: &Settings) -> Result {
    let summarizer: Box<dyn Summarizer> = if args.extractive {
        Box::new(Extractive::default())
    } else {
        settings.config().summarizer.summarizer()?
    };
    let writer = &args.writer;
    let (log, memory) = writer.open_begun(settings).await?;
    let made = memory.summarize(&*summarizer).await;
    let made = made.map_err(|error| writer.failed(error, settings))?;
    if let Some(Summarized { left_out: 1.., .. }) = made {
        warn(
            "a part of the memory is in no summary: it is no longer in the log, or too much came after",
        );
    }
    let mut output = Output::new();
    if writer.json {
        let summary = made.as_ref().map(|made| &made.summary);
        let told = json!({
            "summary": summary.map(|summary| &summary.text),
            "model": summary.map(|summary| &summary.model),
            "tokens_in": summary.and_then(|summary| summary.tokens_in),
            "tokens_out": summary.and_then(|summary| summary.tokens_out),
            "message_count": made.as_ref().map(|made| made.message_count),
            "new": made.as_ref().map_or(0, |made| made.new),
            "left_out": made.as_ref().map(|made| made.left_out),
            "recorded": made.as_ref().map(|made| writer::document(&made.recorded)),
        });
        output.line(format_args!("{told:#}"))?;
    } else if let Some(made) = &made {
        for line in made.summary.text.lines() {
            output.line(crate::cli::output::one_line(line))?;
        }
    }
    output.flush()?;
    match &made {
        Some(made) => settings.note(format_args!(
            "it stands for {}, {} of them new, by {}: {}",
            count(made.message_count, "message"),
            made.new,
            made.summary.model,
            writer::sentence(&made.recorded)
        )),
        None => settings.note("nothing was said since the last summary: nothing to add to it"),
    }
    log.close().await?;
    Ok(())
}
