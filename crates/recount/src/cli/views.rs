//! `recount views`, and what the commands that ask views share.

mod keep;
mod list;
mod rebuild;

use std::sync::{Mutex, PoisonError};

use clap::Subcommand;
use recount::{
    Filter, ListError, Query, ReadRange, Recount, Timestamp, ViewError, ViewProgress, Views,
    ViewsError,
};

use super::error::{Failure, Result};
use super::interrupt::Interrupt;
use super::mirror::prepare;
use super::output::{count, progress_bar, thousands};
use super::settings::Settings;

/// The view of sessions and users.
pub(super) const SESSIONS: &str = "sessions";

/// Show the views of a log: what is made of its events and kept up to date
///
/// Views are folds over the log: sessions and users, and the index of texts. Whatever asks one brings it up to date
/// first, unless another process does that already, as recount views run does. They hold nothing that is not in
/// the log: one that is damaged, or was made by another version, is built anew, and so may any of them be at any time.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,

    /// Print each view as a JSON object, one a line
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  recount views
  recount views run
  recount views rebuild
  recount views rebuild sessions";

#[derive(Subcommand)]
enum Action {
    Run(keep::Args),
    Rebuild(rebuild::Args),
}

pub(super) async fn run(args: Args, settings: &Settings, mut interrupt: Interrupt) -> Result {
    match args.action {
        Some(Action::Run(args)) => keep::run(&args, settings, interrupt).await,
        Some(Action::Rebuild(args)) => interrupt.unless(rebuild::run(&args, settings)).await,
        None => interrupt.unless(list::run(args.json, settings)).await,
    }
}

/// The views of `log`, these of them brought up to date. Shows how far that is where it takes long, and tells
/// of what was built anew or stands still.
pub(super) async fn current(log: &Recount, names: &[&str], settings: &Settings) -> Result<Views> {
    let views = opened(log, settings).await?;
    let bar = progress_bar(None, "{spinner} {msg}, {elapsed}", settings.quiet());
    let rebuilt = Mutex::new(None);
    let tell = |progress: ViewProgress| {
        bar.set_message(words(&progress));
        bar.tick();
        if let Some(why) = progress.rebuilt {
            let mut rebuilt = rebuilt.lock().unwrap_or_else(PoisonError::into_inner);
            *rebuilt = Some((progress.view, why));
        }
    };
    let caught_up = views.catch_up(names, &tell).await;
    bar.finish_and_clear();
    if let Some((view, why)) = rebuilt.into_inner().unwrap_or_else(PoisonError::into_inner) {
        settings.note(format_args!("the view {view} was built anew: {why}"));
    }
    for finding in caught_up
        .map_err(failure)?
        .into_iter()
        .filter_map(|view| view.finding)
    {
        super::settings::warn(format_args!(
            "{finding}; what was recorded since is left out: {} tries again",
            settings.command(format_args!("views rebuild {}", finding.view))
        ));
    }
    Ok(views)
}

/// The views of `log`, and on a server the mirror that they are made of.
async fn opened(log: &Recount, settings: &Settings) -> Result<Views> {
    let views = log.views().map_err(not_opened)?;
    // Any question that a mirror alone answers.
    let query = Query {
        range: ReadRange::all(),
        filter: Filter {
            user_id: Some("any".to_owned()),
            ..Filter::default()
        },
    };
    prepare(log, &query, settings).await?;
    Ok(views)
}

/// `sessions: 12,000 of about 50,000 entries, 800,000/s`
fn words(progress: &ViewProgress) -> String {
    format!(
        "{}: {} of about {}, {}/s",
        progress.view,
        thousands(progress.done),
        count(progress.total.max(progress.done), "entry"),
        thousands(progress.per_second as u64)
    )
}

fn not_opened(error: ViewsError) -> Failure {
    match error {
        ViewsError::View(error) => failure(error),
        error => Failure::usage(error.to_string()),
    }
}

fn failure(error: ViewError) -> Failure {
    match error {
        ViewError::Unknown { .. } => Failure::usage(error.to_string()),
        error => Failure::new(error.to_string()),
    }
}

pub(super) fn list_failure(error: ListError) -> Failure {
    match error {
        ListError::View(error) => failure(error),
        error => Failure::usage(error.to_string()),
    }
}

/// `2026-01-02 10:00:05`, in UTC.
pub(super) fn minute(time: Option<Timestamp>) -> String {
    let Some(time) = time else {
        return String::new();
    };
    let text = time.to_string();
    // The year may have a sign and more digits.
    match text.rsplit_once('.') {
        Some((seconds, _)) => seconds.replacen('T', " ", 1),
        None => text,
    }
}

/// A number with as many digits after the point as it has, four at most.
pub(super) fn cost(number: f64) -> String {
    let text = format!("{number:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    match text {
        "-0" => "0".to_owned(),
        text => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_costs_are_short() {
        let time: Timestamp = "2026-01-02T10:00:05.678Z".parse().unwrap();
        assert_eq!(minute(Some(time)), "2026-01-02 10:00:05");
        assert_eq!(minute(None), "");
        for (number, told) in [
            (0.0, "0"),
            (1.0, "1"),
            (0.25, "0.25"),
            (12.34567, "12.3457"),
            (-0.00001, "0"),
            (100.0, "100"),
        ] {
            assert_eq!(cost(number), told);
        }
    }

    #[test]
    fn how_far_a_view_is_is_told_in_a_line() {
        let progress = ViewProgress {
            view: "sessions".to_owned(),
            done: 12_000,
            total: 50_000,
            per_second: 800_000.4,
            rebuilt: None,
        };
        assert_eq!(
            words(&progress),
            "sessions: 12,000 of about 50,000 entries, 800,000/s"
        );
    }
}
