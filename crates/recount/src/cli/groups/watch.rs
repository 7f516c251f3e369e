//! `recount groups --watch`

use std::collections::BTreeMap;
use std::time::Duration;

use recount::Timestamp;
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use super::Opened;
use super::shown::{Shown, look};
use super::table::table;
use crate::cli::error::Result;
use crate::cli::output::{Output, fit, terminal_width};
use crate::cli::settings::{Settings, warn};

/// How often the groups are looked at.
const TICK: Duration = Duration::from_secs(1);

pub(super) async fn run(json: bool, settings: &Settings) -> Result {
    let opened = Opened::for_reading(settings).await?;
    let mut screen = Screen::new(json);
    let first = look(&opened, true).await;
    // Fails at once where nothing can be seen; later a server may be away for a while.
    let first = first.map_err(|unseen| unseen.failure(settings))?;
    settings.note("watching, Ctrl-C ends");
    screen.show(&first)?;
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut away = false;
    loop {
        ticks.tick().await;
        match look(&opened, true).await {
            Ok(groups) => {
                away = false;
                screen.show(&groups)?;
            }
            Err(unseen) if settings.on_server() => {
                if !away {
                    warn(format_args!("{unseen}; looking again until it answers"));
                    // The warning stands below the table.
                    screen.drawn = 0;
                }
                away = true;
            }
            Err(unseen) => return Err(unseen.failure(settings)),
        }
    }
}

/// What was shown last, and how.
struct Screen {
    output: Output,
    json: bool,
    last: Option<BTreeMap<String, Shown>>,
    /// Lines of the table that stand on the terminal.
    drawn: usize,
}

impl Screen {
    fn new(json: bool) -> Self {
        Self {
            output: Output::new(),
            json,
            last: None,
            drawn: 0,
        }
    }

    fn show(&mut self, groups: &[Shown]) -> Result {
        let now = Timestamp::now();
        let width = terminal_width();
        let standing = groups.iter().map(Shown::standing);
        let standing: BTreeMap<_, _> = standing
            .map(|shown| (shown.group.name.clone(), shown))
            .collect();
        let changed = self.last.as_ref() != Some(&standing);
        if self.json {
            for line in changes(self.last.as_ref(), &standing, groups, now) {
                self.output.line(line)?;
            }
        } else if let Some(width) = width {
            self.draw(groups, now, width)?;
        } else if changed {
            if self.last.is_some() {
                self.output.line("")?;
            }
            for line in lines(groups, now, None) {
                self.output.line(line)?;
            }
        }
        self.last = Some(standing);
        self.output.flush()
    }

    /// Draws over what was drawn before.
    fn draw(&mut self, groups: &[Shown], now: Timestamp, width: usize) -> Result {
        let mut lines = lines(groups, now, Some(width));
        // What has scrolled away cannot be drawn over.
        lines.truncate(height().saturating_sub(1).max(1));
        // Up to where the last table began, and everything from there on away.
        let mut before = match self.drawn {
            0 => String::new(),
            drawn => format!("\u{1b}[{drawn}A\r\u{1b}[J"),
        };
        for line in &lines {
            let before = std::mem::take(&mut before);
            self.output.line(before + &fit(line, width))?;
        }
        self.drawn = lines.len();
        Ok(())
    }
}

/// A table, also of no groups.
fn lines(groups: &[Shown], now: Timestamp, width: Option<usize>) -> Vec<String> {
    if groups.is_empty() {
        return vec!["no groups".to_owned()];
    }
    table(groups, now, width)
}

fn height() -> usize {
    const HEIGHT_IF_UNKNOWN: usize = 24;
    match terminal_size::terminal_size() {
        Some((_, height)) if height.0 > 0 => usize::from(height.0),
        _ => HEIGHT_IF_UNKNOWN,
    }
}

/// A document for each group that is not what it was, and for each that is gone.
fn changes(
    last: Option<&BTreeMap<String, Shown>>,
    standing: &BTreeMap<String, Shown>,
    groups: &[Shown],
    now: Timestamp,
) -> Vec<serde_json::Value> {
    let before = |name: &str| last.and_then(|last| last.get(name));
    let changed = groups.iter().filter(|shown| {
        let name = &*shown.group.name;
        before(name) != standing.get(name)
    });
    let changed = changed.map(|shown| shown.document(now));
    let gone = last.into_iter().flat_map(BTreeMap::keys);
    let gone = gone.filter(|name| !standing.contains_key(*name));
    let gone = gone.map(|name| json!({"name": name, "deleted": true}));
    let told = changed.chain(gone).map(|mut document| {
        document["at"] = json!(now.to_string());
        document
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use recount::GroupInfo;

    use super::*;

    #[test]
    fn only_what_has_changed_is_told_again() {
        let now = Timestamp::now();
        let shown = |name: &str, pending, idle_ms| Shown {
            group: GroupInfo {
                name: name.to_owned(),
                pending,
                idle_ms: Some(idle_ms),
                ..GroupInfo::default()
            },
            dead: 0,
            consumers: None,
        };
        let by_name = |groups: &[Shown]| -> BTreeMap<_, _> {
            let standing = groups.iter().map(Shown::standing);
            standing
                .map(|shown| (shown.group.name.clone(), shown))
                .collect()
        };
        let first = [shown("a", 1, 5), shown("b", 1, 5)];
        let told = changes(None, &by_name(&first), &first, now);
        assert_eq!(told.len(), 2);
        assert_eq!(told[0]["at"], now.to_string());
        // Time alone is no change.
        let later = [shown("a", 1, 1_005), shown("b", 2, 1_005)];
        let told = changes(Some(&by_name(&first)), &by_name(&later), &later, now);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0]["pending"], 2);
        let gone = [shown("b", 2, 1)];
        let told = changes(Some(&by_name(&later)), &by_name(&gone), &gone, now);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0]["deleted"], true);
    }
}
