//! `recount views run`

use std::collections::BTreeMap;

use recount::{RunningViews, Upkeep, Views, Why};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{failure, opened};
use crate::cli::error::{Failure, Result};
use crate::cli::interrupt::Interrupt;
use crate::cli::output::Output;
use crate::cli::settings::{Settings, warn};

/// Keep the views up to date until Ctrl-C
///
/// Takes in what the log holds, then what is recorded as it comes. Whatever asks a view meanwhile, in any process,
/// finds it up to date. Where another process does this already, this one takes over when that one is gone. Ctrl-C
/// commits what was taken in.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The views; all where none is named
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// Print how each view stands as a JSON object whenever that changes, one a line
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  recount views run
  recount views run sessions";

/// A view, and what is going on with it now.
type Change = (String, Upkeep);

pub(super) async fn run(args: &Args, settings: &Settings, mut interrupt: Interrupt) -> Result {
    let opening = async {
        let log = settings.open_read_only().await?;
        let views = opened(&log, settings).await?;
        Ok((log, views))
    };
    let (log, views) = interrupt.unless(opening).await?;
    let names: Vec<&str> = if args.names.is_empty() {
        views.names()
    } else {
        args.names.iter().map(|name| &**name).collect()
    };
    let mut known = BTreeMap::new();
    for view in views.status().await.map_err(failure)? {
        known.insert(view.name, view.rebuilt);
    }
    let running = views.start(&names).map_err(failure)?;
    settings.note(format_args!(
        "keeping {} up to date, Ctrl-C ends",
        names.join(", ")
    ));
    let mut changes = changes(&running, &names);
    let mut output = Output::new();
    loop {
        tokio::select! {
            change = changes.recv() => match change {
                Some((view, upkeep)) => {
                    if args.json {
                        output.line(document(&view, &upkeep))?;
                        output.flush()?;
                    }
                    tell(&view, &upkeep, settings);
                    if upkeep == Upkeep::Live {
                        tell_of_rebuilding(&views, &view, &mut known, settings).await?;
                    }
                }
                None => break,
            },
            () = interrupt.pressed() => break,
        }
    }
    running.stop().await;
    interrupt.close(&log).await?;
    settings.note("what was taken in is committed");
    Err(Failure::Interrupted)
}

/// Says why a view was built anew since it was looked at last.
async fn tell_of_rebuilding(
    views: &Views,
    name: &str,
    known: &mut BTreeMap<String, Option<Why>>,
    settings: &Settings,
) -> Result {
    let status = views.status().await.map_err(failure)?;
    for view in status.into_iter().filter(|view| view.name == name) {
        let before = known.insert(view.name, view.rebuilt.clone()).flatten();
        if let Some(why) = view.rebuilt.filter(|why| Some(why) != before.as_ref()) {
            settings.note(format_args!("the view {name} was built anew: {why}"));
        }
    }
    Ok(())
}

/// What changes with any of the views, as it does.
fn changes(running: &RunningViews, names: &[&str]) -> mpsc::UnboundedReceiver<Change> {
    let (say, changes) = mpsc::unbounded_channel();
    for &name in names {
        let Some(mut upkeep) = running.upkeep(name) else {
            continue;
        };
        let (name, say) = (name.to_owned(), say.clone());
        tokio::spawn(async move {
            loop {
                let now = upkeep.borrow_and_update().clone();
                if say.send((name.clone(), now)).is_err() || upkeep.changed().await.is_err() {
                    return;
                }
            }
        });
    }
    changes
}

fn document(view: &str, upkeep: &Upkeep) -> Value {
    let (state, reason) = match upkeep {
        Upkeep::Elsewhere => ("elsewhere", None),
        Upkeep::CatchingUp => ("catching up", None),
        Upkeep::Live => ("live", None),
        Upkeep::Stopped(finding) => ("stopped", Some(finding.to_string())),
        Upkeep::Failing(error) => ("failing", Some(error.to_string())),
        _ => ("unknown", None),
    };
    json!({"name": view, "state": state, "reason": reason})
}

fn tell(view: &str, upkeep: &Upkeep, settings: &Settings) {
    match upkeep {
        Upkeep::Elsewhere => settings.note(format_args!(
            "{view}: another process keeps it up to date; this one takes over when that one is gone"
        )),
        Upkeep::CatchingUp => settings.note(format_args!("{view}: catching up")),
        Upkeep::Live => settings.note(format_args!(
            "{view}: up to date, going on as the log grows"
        )),
        Upkeep::Stopped(finding) => warn(format_args!(
            "{finding}: {} tries again",
            settings.command(format_args!("views rebuild {view}"))
        )),
        Upkeep::Failing(error) => warn(format_args!("{view}: {error}; it is tried again")),
        _ => {}
    }
}
