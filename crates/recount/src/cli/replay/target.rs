//! Where the events go: what `--into` names.

use std::path::{Path, PathBuf};

use recount::LogUrl;

use super::Args;
use super::kept::To;
use crate::cli::error::{Failure, Result};
use crate::cli::settings::Settings;

/// What the flags say.
pub(super) fn to(args: &Args, settings: &Settings) -> Result<To> {
    let Some(into) = &args.into else {
        return Ok(if args.command.is_empty() {
            To::Output
        } else {
            To::Command
        });
    };
    let target = match url(into)? {
        None if args.into_stream.is_some() => {
            return Err(Failure::usage(format!(
                "--into-stream names a stream of another log, and --into {into} is a stream of this one"
            ))
            .hint("--into URL names another log: disk:PATH, redis://HOST"));
        }
        None => settings.elsewhere(settings.url().clone(), into.clone()),
        Some(url) => {
            let stream = args.into_stream.as_deref().unwrap_or(settings.stream());
            settings.elsewhere(url, stream.to_owned())
        }
    };
    let url = place(target.url());
    if url == place(settings.url()) && target.stream() == settings.stream() {
        return Err(Failure::usage(format!(
            "--into {into}: that is the stream that is replayed, which has these events already"
        ))
        .hint("name another one; it is created where it is missing"));
    }
    let again = match target.url() {
        LogUrl::Disk(_) => Some(url.clone()),
        _ => target.url_again(),
    };
    Ok(To::Stream {
        url,
        again,
        stream: target.stream().to_owned(),
    })
}

/// The settings for the stream that takes the events in: as the flags name it, or as it was named when the replay
/// began.
pub(super) fn settings(args: &Args, to: &To, settings: &Settings) -> Result<Settings> {
    let To::Stream { url, again, stream } = to else {
        return Ok(settings.clone());
    };
    let given = args.into.as_deref().map(self::url).transpose()?.flatten();
    let log = match (given, again) {
        (Some(given), _) => given,
        (None, _) if *url == place(settings.url()) => settings.url().clone(),
        (None, Some(again)) => again.parse().map_err(|_| unnamed(url))?,
        (None, None) => return Err(unnamed(url)),
    };
    Ok(settings.elsewhere(log, stream.clone()))
}

fn unnamed(url: &str) -> Failure {
    Failure::usage(format!(
        "the events go to {url}, whose password is kept nowhere"
    ))
    .hint("name it again with --into, and with --into-stream as when the replay began")
}

/// The URL that `--into` is; none where it is the name of a stream.
fn url(into: &str) -> Result<Option<LogUrl>> {
    if !into.starts_with("disk:") && !into.contains("://") {
        return Ok(None);
    }
    let url = into.parse();
    url.map(Some)
        .map_err(|error| Failure::usage(format!("--into: {error}")))
}

/// The same text for the same place, without secrets.
pub(super) fn place(url: &LogUrl) -> String {
    match url {
        LogUrl::Disk(path) => format!("disk:{}", absolute(path).display()),
        url => url.to_string(),
    }
}

/// As far as the path is there, without links.
fn absolute(path: &Path) -> PathBuf {
    if let Ok(found) = path.canonicalize() {
        return found;
    }
    // What is to be created has a parent that may be there.
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if parent != Path::new("") => absolute(parent).join(name),
        _ => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
    }
}
