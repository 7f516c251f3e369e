//! From what was asked for, now or when the replay began, to what is replayed.

use std::time::Duration;

use recount::{Pace, Position, Recount, ReplayMark, Timestamp};

use super::Args;
use super::asked::{Selection, Understood};
use super::kept::{Kept, To};
use super::named::{Named, Names};
use super::progress::Progress;
use super::source::Source;
use super::target::{place, to};
use crate::cli::error::{Failure, Result};
use crate::cli::output::{Output, count};
use crate::cli::select::prepare_mirror;
use crate::cli::session::SessionCheck;
use crate::cli::settings::{Settings, warn};

/// What is to be done.
pub(super) struct Plan {
    pub(super) to: To,
    selection: Selection,
    named: Option<Name>,
}

struct Name {
    named: Named,
    /// None of one that begins.
    kept: Option<Kept>,
}

/// What is to be done; none where that was done already, which is said.
pub(super) fn plan(args: &Args, settings: &Settings) -> Result<Option<Plan>> {
    let happened = |moment: Option<recount::Moment>| moment.map(recount::Moment::timestamp);
    let asked = Selection::new(
        args.asked.clone(),
        args.what.select.query().range.ids,
        (happened(args.happened_since), happened(args.happened_until)),
        Timestamp::now(),
    );
    asked.understood()?;
    let to = to(args, settings)?;
    let Some(name) = &args.resume else {
        return Ok(Some(Plan {
            to,
            selection: asked,
            named: None,
        }));
    };
    let (named, kept) = Names::new(args.state_dir.clone())?.open(name)?;
    let Some(kept) = kept else {
        let named = Some(Name { named, kept: None });
        return Ok(Some(Plan {
            to,
            selection: asked,
            named,
        }));
    };
    agrees(args, &to, name, &kept, settings)?;
    if kept.finished {
        return done(name, &kept, args.json, settings);
    }
    Ok(Some(Plan {
        to: kept.to.clone(),
        selection: kept.selection.clone(),
        named: Some(Name {
            named,
            kept: Some(kept),
        }),
    }))
}

/// Refuses what is not the replay that has the name. What is not said again stays as it was.
fn agrees(args: &Args, to: &To, name: &str, kept: &Kept, settings: &Settings) -> Result {
    let other = |what: String| {
        Err(Failure::usage(format!("replay {name} {what}")).hint(format!(
            "--resume {name} alone goes on with it, --forget {name} forgets it, and another name begins another replay"
        )))
    };
    let (url, stream) = (place(settings.url()), settings.stream());
    if kept.url != url || kept.stream != stream {
        return other(format!(
            "is of stream {} of {}, not of stream {stream} of {url}",
            kept.stream, kept.url
        ));
    }
    let asked = &args.asked;
    if !asked.is_empty() && *asked != kept.selection.asked {
        return other(format!(
            "is of {}, not of {}",
            kept.selection.asked.told(),
            asked.told()
        ));
    }
    if *to == To::Output && kept.to == To::Command {
        return Err(Failure::usage(format!(
            "replay {name} hands its events to a command, which is not kept"
        ))
        .hint(format!("--resume {name} -- CMD goes on with it")));
    }
    if *to != To::Output && !to.is(&kept.to) {
        return other(format!("goes to {}, not to {}", kept.to.told(), to.told()));
    }
    Ok(())
}

fn done(name: &str, kept: &Kept, json: bool, settings: &Settings) -> Result<Option<Plan>> {
    if json && kept.to != To::Output {
        let mut output = Output::new();
        output.line(serde_json::json!({
            "whole": true,
            "replay": {"name": name, "delivered": kept.delivered, "finished": true},
        }))?;
        output.flush()?;
    }
    settings.note(format_args!(
        "replay {name} is done: {} delivered, the last at {}; --forget {name} lets it begin anew",
        count(kept.delivered, "event"),
        kept.changed
    ));
    Ok(None)
}

/// The events themselves, out of `read`: `log` as it is read for them.
pub(super) async fn source(
    args: &Args,
    plan: Plan,
    log: &Recount,
    read: &Recount,
    settings: &Settings,
) -> Result<Source> {
    let understood = plan.selection.understood()?;
    let queries = understood.queries();
    prepare_mirror(log, &queries, settings).await?;
    let goes_on = plan.named.as_ref().is_some_and(|name| name.kept.is_some());
    let limit = args.limit.unwrap_or(u64::MAX);
    let into = matches!(plan.to, To::Stream { .. });
    let session = sessions(args, &understood, goes_on, log).await?;
    let progress = Progress::new(log, &queries, into, limit, settings).await?;
    let mut replay = read.replay(understood.query()).await?;
    if let Some(sessions) = understood.sessions.filter(|sessions| sessions.len() != 1) {
        replay = replay.side_by_side(sessions);
    }
    let (since, until) = understood.happened;
    replay = replay.happened(since, until);
    if !understood.question.is_empty() {
        let question = understood.question;
        replay = replay.only(move |recorded| question.matches(recorded));
    }
    let mut speed = args.speed;
    let mut max_gap = args.max_gap;
    let mut named = None;
    if let Some(Name { named: name, kept }) = plan.named {
        let begins = kept.is_none();
        let mut kept = kept.unwrap_or_else(|| {
            let place = (place(settings.url()), settings.stream().to_owned());
            Kept::begin(place, plan.selection, plan.to, replay.end())
        });
        if !begins {
            replay = goes_on_behind(replay, log, &name, &kept, settings).await?;
        }
        speed = speed.or_else(|| kept.speed.parse().ok());
        max_gap = max_gap.or(kept.max_gap_ms.map(Duration::from_millis));
        kept.speed = speed.unwrap_or_default().to_string();
        kept.max_gap_ms = max_gap.map(|gap| u64::try_from(gap.as_millis()).unwrap_or(u64::MAX));
        // From here on it is known what the name stands for.
        name.keep(&mut kept)?;
        named = Some((name, kept));
    }
    replay = replay.pace(speed.unwrap_or(Pace::Original));
    if let Some(gap) = max_gap {
        replay = replay.gap_max(gap);
    }
    Ok(Source {
        replay,
        left: limit,
        progress,
        session,
        named,
        at_end: false,
    })
}

/// The replay from where it was left, if the log is still the one that it was.
async fn goes_on_behind(
    replay: recount::Replay,
    log: &Recount,
    name: &Named,
    kept: &Kept,
    settings: &Settings,
) -> Result<recount::Replay> {
    let end = kept.end().unwrap_or_default();
    for at in end.iter() {
        let last = replay.end().get(at.partition);
        if last < at.entry_id {
            return Err(Failure::new(format!(
                "the log held entries up to {at} when replay {0} began, and ends at {last} now: it lost some, or is \
                 another one",
                name.name()
            ))
            .hint(format!(
                "--forget {0} forgets how far it was; --resume {0} then begins anew",
                name.name()
            )));
        }
    }
    let Some(mark) = kept.mark() else {
        return Ok(replay.up_to(end));
    };
    settings.note(format_args!(
        "replay {} goes on behind entry {}: {} delivered before",
        name.name(),
        mark.position,
        count(kept.delivered, "event")
    ));
    warn_of_trimmed(log, &mark).await?;
    Ok(replay.up_to(end).after(mark))
}

/// Warns where something behind the mark may be gone. Sessions side by side know by themselves what they lack.
async fn warn_of_trimmed(log: &Recount, mark: &ReplayMark) -> Result {
    if mark.happened.is_some() {
        return Ok(());
    }
    let info = log.info().await?;
    let Position {
        partition,
        entry_id,
    } = mark.position;
    let mut partitions = info.partitions.iter();
    let first = partitions.find(|info| info.partition == partition);
    let gone = match first {
        Some(info) => match info.first {
            Some(first) => first > entry_id,
            None => info.last > entry_id,
        },
        None => true,
    };
    if gone {
        warn(format_args!(
            "entry {}, where the replay was, was trimmed since: what came next may be missing, too",
            mark.position
        ));
    }
    Ok(())
}

/// Whether the sessions that are replayed are all there. Of one, that shows while it is read.
async fn sessions(
    args: &Args,
    understood: &Understood,
    goes_on: bool,
    log: &Recount,
) -> Result<Option<SessionCheck>> {
    let sessions = understood.sessions.as_deref().unwrap_or_default();
    if let [only] = sessions {
        let page = log.session(only).recent(1).await?;
        let whole = args.what.select.is_whole_session()
            && understood.is_unconditional()
            && args.limit.is_none()
            && !goes_on;
        return Ok(Some(SessionCheck::of(only, page, whole)));
    }
    for session in sessions {
        let page = log.session(session).recent(1).await?;
        if page.revision == 0 && page.unindexed == 0 {
            warn(format_args!("nothing is recorded of session {session:?}"));
        } else if !page.is_complete() {
            let from = page.retained_from.unwrap_or(0);
            warn(format_args!(
                "session {session:?} is not all there: it has revision {}, and is retained from {from} on",
                page.revision
            ));
        }
    }
    Ok(None)
}
