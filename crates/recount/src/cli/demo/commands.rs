//! What to try next, as command lines that work.

use std::borrow::Cow;

use super::facts::Facts;
use super::paint::Paint;
use crate::cli::error::Result;
use crate::cli::output::Output;
use crate::cli::settings::Settings;

pub(super) fn suggest(
    settings: &Settings,
    facts: &Facts,
    paint: &Paint,
    output: &mut Output,
) -> Result {
    output.line(paint.heading("YOUR TURN", "the log is kept; try"))?;
    let program = program(std::env::args().next());
    let log = format!(
        "--url {} --stream {}",
        quoted(&settings.url().to_string()),
        quoted(settings.stream())
    );
    let session = quoted(&facts.session);
    for command in [
        format!("events --session {session}"),
        "tail --from - --type error.occurred".to_owned(),
        "export".to_owned(),
    ] {
        output.line(format_args!(
            "  {} {}",
            paint.bold(&format!("{program} {command}")),
            log
        ))?;
    }
    Ok(())
}

/// The binary as the shell finds it again from the same directory.
fn program(started_as: Option<String>) -> String {
    let name = started_as.filter(|name| !name.is_empty());
    quoted(name.as_deref().unwrap_or("recount")).into_owned()
}

/// `text` as one word of a shell.
fn quoted(text: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,@%+=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_the_shell() {
        assert_eq!(
            quoted("disk:/tmp/recount-demo-x"),
            "disk:/tmp/recount-demo-x"
        );
        assert_eq!(quoted("disk:my data"), "'disk:my data'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(program(None), "recount");
        assert_eq!(
            program(Some("target/release/recount".into())),
            "target/release/recount"
        );
    }
}
