//! What to try next, as command lines that work.

use super::facts::Facts;
use super::paint::Paint;
use crate::cli::error::Result;
use crate::cli::output::{Output, quoted};
use crate::cli::settings::Settings;

pub(super) fn suggest(
    settings: &Settings,
    facts: &Facts,
    paint: &Paint,
    output: &mut Output,
) -> Result {
    output.line(paint.heading("YOUR TURN", "the log is kept; try"))?;
    // Named once, so that the commands stay short.
    let url = settings.url_again().map_or_else(
        || "... # the same URL: its login is not shown".to_owned(),
        |url| quoted(&url).into_owned(),
    );
    output.line(format_args!("  export RECOUNT_URL={url}"))?;
    let stream = quoted(settings.stream());
    output.line(format_args!("  export RECOUNT_STREAM={stream}"))?;
    let started_as = std::env::args_os().next();
    let program = program(started_as.and_then(|name| name.into_string().ok()));
    let session = quoted(&facts.session);
    for command in [
        format!("events --session {session}"),
        "tail --from - --type error.occurred".to_owned(),
        "export".to_owned(),
    ] {
        let line = format!("{program} {command}");
        output.line(format_args!("  {}", paint.bold(&line)))?;
    }
    Ok(())
}

/// The binary as the shell finds it again from the same directory.
fn program(started_as: Option<String>) -> String {
    let name = started_as.filter(|name| !name.is_empty());
    quoted(name.as_deref().unwrap_or("recount")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_named_as_it_was_started() {
        assert_eq!(program(None), "recount");
        assert_eq!(
            program(Some("target/release/recount".into())),
            "target/release/recount"
        );
    }
}
