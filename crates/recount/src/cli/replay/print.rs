//! A replay whose events go to standard output.

use recount::json;

use super::source::Source;
use crate::cli::error::Result;
use crate::cli::line::Lines;
use crate::cli::output::Output;
use crate::cli::settings::Settings;

/// Events that are printed together at most.
const PRINTED_MAX: usize = 1_000;

/// Counts in `printed`, which outlives Ctrl-C.
pub(super) async fn print(
    source: &mut Source,
    json: bool,
    settings: &Settings,
    printed: &mut u64,
) -> Result {
    let mut output = Output::new();
    let mut lines = Lines::for_output(settings.color());
    loop {
        let batch = source.next(PRINTED_MAX).await?;
        if batch.is_empty() {
            return Ok(());
        }
        lines.widen(&batch);
        for recorded in &batch {
            if json {
                output.line(json::line(recorded))?;
            } else {
                output.line(lines.format(recorded))?;
            }
        }
        output.flush()?;
        *printed += batch.len() as u64;
        source.delivered(batch.len(), 0)?;
    }
}
