//! What does not fit together.

use std::time::Duration;

use super::{Origin, Resolved};
use crate::LogUrl;
use crate::config::{Config, ConfigError, Place, SETTINGS, Setting};

/// What does not fit together, told where it was given last.
pub(super) fn contradictions(resolved: &Resolved, exact: bool) -> Vec<ConfigError> {
    let Config {
        batch_size,
        retention,
        limits,
        ..
    } = &resolved.config;
    let mut errors = Vec::new();
    if *batch_size > limits.batch_events_max {
        errors.extend(too_much(resolved, "batch_size", "limits.batch_events"));
    }
    if limits.event_bytes_max > limits.batch_bytes_max {
        errors.extend(too_much(
            resolved,
            "limits.event_bytes",
            "limits.batch_bytes",
        ));
    }
    if let Origin::Given(place) = resolved.origin("retention.max_length_exact")
        && exact
        && retention.max_length.is_none()
    {
        errors.push(ConfigError {
            place: place.clone(),
            message: "there is no retention.max_length that could be kept exactly: write one, such as max_length = 1_000_000, or leave this out".to_owned(),
        });
    }
    errors.extend(window_out_of_range(resolved));
    errors.extend(
        SETTINGS
            .iter()
            .filter_map(|setting| of_the_other_engine(resolved, setting)),
    );
    errors
}

/// What can be remembered depends on the engine.
fn window_out_of_range(resolved: &Resolved) -> Option<ConfigError> {
    const LEAST: Duration = Duration::from_secs(1);
    let window = resolved.config.idempotency_window();
    let Origin::Given(place) = resolved.origin("idempotency_window") else {
        return None;
    };
    let message = match resolved.config.url {
        LogUrl::Disk(_) if window < LEAST => {
            "out of range: on disk an id is remembered for 1s at least: write 1s or more"
        }
        LogUrl::Redis(_) if window < LEAST && !window.is_zero() => {
            "out of range: write 1s or more, or 0s to remember nothing"
        }
        _ => return None,
    };
    Some(ConfigError {
        place: place.clone(),
        message: message.to_owned(),
    })
}

/// A flag that the engine in force does not heed would promise what nobody keeps.
fn of_the_other_engine(resolved: &Resolved, setting: &Setting) -> Option<ConfigError> {
    let Origin::Given(place @ Place::Flag(_)) = resolved.origin(setting.key) else {
        return None;
    };
    let of_servers = setting.key == "mirror" || setting.key.starts_with("redis.");
    let url = &resolved.config.url;
    let message = match url {
        LogUrl::Disk(_) if of_servers => format!(
            "this is about logs on a server, but the log is {url}: leave it out, or name a server with --url"
        ),
        LogUrl::Redis(_) if setting.key == "fsync" => format!(
            "this is about logs on disk, but the log is {url}: leave it out; --wait-aof and --wait-replicas say what an append waits for there"
        ),
        _ => return None,
    };
    Some(ConfigError {
        place: place.clone(),
        message,
    })
}

/// The error that the setting `less` is more than the setting `more`, told of the one that was given
/// with the greater weight.
fn too_much(resolved: &Resolved, less: &str, more: &str) -> Option<ConfigError> {
    let shown = |key| {
        let value = Setting::find(key).map(|setting| setting.value(&resolved.config));
        value.map_or_else(String::new, |value| value.to_string())
    };
    let (low, high) = (resolved.origin(less), resolved.origin(more));
    let (small, large) = (shown(less), shown(more));
    let (told, message) = if low.rank() >= high.rank() {
        let message = format!(
            "{small} is more than {more}, which is {large} ({high}): write {large} or less, or raise {more}"
        );
        (low, message)
    } else {
        let message = format!(
            "{large} is less than {less}, which is {small} ({low}): write {small} or more, or lower {less}"
        );
        (high, message)
    };
    match told {
        Origin::Given(place) => Some(ConfigError {
            place: place.clone(),
            message,
        }),
        // The defaults fit together.
        Origin::Default | Origin::Follows(_) => None,
    }
}
