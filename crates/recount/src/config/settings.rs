//! All settings, described once.

mod redis;
mod summarizer;

use std::fmt::Write as _;
use std::time::Duration;

use recount_core::Limits;
use recount_core::MaxLength;

use super::excerpt::{masked, repeated};
use super::given::UNLIMITED;
use super::held_up::{parse_held_up, show_held_up};
use super::setting::Field;
use super::{Config, Setting, Value};
use crate::LogUrl;

/// Bytes of an event at most, whatever is set: a page of an answer holds one at least.
const EVENT_BYTES_MAX: u64 = Limits::PAGE_BYTES_MAX as u64;
const BATCH_EVENTS_MAX: u64 = 1_000_000;
/// A batch becomes one frame of the log, whose length has 32 bits.
const BATCH_BYTES_MAX: u64 = 1 << 30;

/// The word for what the machine suggests.
const AUTO: &str = "auto";

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);
/// About ten years: whoever wants more means for ever.
const LONG: Duration = DAY.saturating_mul(3_650);

/// All settings, in the order in which they are shown.
pub const SETTINGS: &[Setting] = &[
    Setting::new(
        "url",
        "Where the log is: disk:PATH, redis://HOST:PORT, rediss:// (TLS), \
         redis-sentinel://HOST,HOST/NAME or redis-cluster://HOST,HOST. A relative path \
         in a file, also after ca=, cert= or key=, is relative to the file's folder",
        Field::Text {
            example: "disk:recount-data",
            get: |config| match &config.url {
                LogUrl::Disk(_) => masked(&config.url.to_string()),
                LogUrl::Redis(url) => url.shown_with_files(),
            },
            set: |config, text| {
                config.url = text.parse().map_err(|error| format!("{error}"))?;
                Ok(())
            },
        },
    )
    .flag("--url", "")
    .also("REDIS_URL"),
    Setting::new(
        "stream",
        "The stream's name",
        Field::Text {
            example: "memory:events",
            get: |config| config.stream.clone(),
            set: |config, text| {
                // Whether it is too long depends on the engine.
                if text.is_empty() {
                    return Err("\"\" cannot name a stream: it is empty".to_owned());
                }
                if text.chars().any(char::is_control) {
                    return Err(format!(
                        "{} cannot name a stream: it holds a control character",
                        repeated(text)
                    ));
                }
                text.clone_into(&mut config.stream);
                Ok(())
            },
        },
    )
    .flag("--stream", ""),
    Setting::new(
        "fsync",
        "When published events are synced: always (before they are acknowledged), \
         interval:100ms (this often), or os (left to the system)",
        Field::Text {
            example: "always",
            get: |config| config.fsync.to_string(),
            set: |config, text| {
                config.fsync = text.parse().map_err(|error| format!("{error}"))?;
                Ok(())
            },
        },
    )
    .flag(
        "--fsync",
        "publish, fork, memory, replay, trim, import, demo",
    ),
    Setting::new(
        "batch_size",
        "Events that commands which take in many put into one append at most",
        Field::Number {
            range: 1..=BATCH_EVENTS_MAX,
            get: |config| config.batch_size as u64,
            set: |config, number| config.batch_size = number as usize,
        },
    )
    .flag("--batch-size", "publish, replay, import"),
    Setting::new(
        "block_timeout",
        "How long tail waits for the next event before it ends, as BLOCK of XREAD; or \
         forever",
        Field::SpanOrForever {
            range: Duration::from_millis(1)..=LONG,
            get: |config| config.block_timeout,
            set: |config, span| config.block_timeout = span,
        },
    )
    .flag("--block", "tail"),
    Setting::new(
        "idempotency_window",
        "How long an event's id is remembered, so that publishing it again adds \
         nothing: 24h on disk, 10m on a server unless given. 0s, on a server only: not \
         at all, and sessions have no index there",
        Field::Span {
            range: Duration::ZERO..=LONG,
            get: Config::idempotency_window,
            set: |config, span| config.idempotency_window = Some(span),
        },
    ),
    Setting::new(
        "lock_wait",
        "How long to wait for another process that writes the log; 0s: not at all",
        Field::Span {
            range: Duration::ZERO..=DAY,
            get: |config| config.lock_wait,
            set: |config, span| config.lock_wait = span,
        },
    ),
    Setting::new(
        "mirror",
        "Where copies of streams on servers are kept, which queries read; auto: \
         $XDG_STATE_HOME/recount/mirrors, else ~/.local/state/recount/mirrors. Where \
         there is none, queries look through the server",
        Field::Text {
            example: "recount-mirrors",
            get: |config| match &config.mirror {
                Some(folder) => folder.display().to_string(),
                None => AUTO.to_owned(),
            },
            set: |config, text| {
                if text.is_empty() || text.chars().any(char::is_control) {
                    let shown = repeated(text);
                    return Err(format!(
                        "{shown} cannot name a directory: write its path, or {AUTO}"
                    ));
                }
                config.mirror = (text != AUTO).then(|| text.into());
                Ok(())
            },
        },
    )
    .flag("--mirror", ""),
    Setting::new(
        "retention.max_length",
        "Keep so many entries, the newest; or unlimited. Whoever writes the log trims \
         the rest",
        Field::NumberOr {
            word: UNLIMITED,
            range: 1..=u64::MAX,
            get: |config| config.retention.max_length.map(|length| length.entries),
            set: |config, entries| {
                config.retention.max_length = entries.map(|entries| MaxLength {
                    entries,
                    exact: false,
                });
            },
        },
    ),
    // After the length, which it is a part of.
    Setting::new(
        "retention.max_length_exact",
        "Never show more than max_length, at the price of a sync or two with every \
         append; else the log grows by a tenth, and a thousand at least, before it is \
         cut back",
        Field::Switch {
            get: |config| {
                config
                    .retention
                    .max_length
                    .is_some_and(|length| length.exact)
            },
            set: |config, exact| {
                if let Some(length) = &mut config.retention.max_length {
                    length.exact = exact;
                }
            },
        },
    ),
    Setting::new(
        "retention.period",
        "Keep what was recorded less than this ago; or forever. Whoever writes the log \
         trims the rest",
        Field::SpanOrForever {
            range: SECOND..=LONG,
            get: |config| config.retention.period,
            set: |config, period| config.retention.period = period,
        },
    ),
    Setting::new(
        "retention.held_up",
        "What becomes of these limits where a consumer group or a mirror still needs \
         what they would remove: block (it stays), force (it goes, and what was lost is \
         told), or expire-groups-after:7d (groups that no consumer called for so long \
         lose it)",
        Field::Text {
            example: "block",
            get: |config| show_held_up(config.retention.held_up),
            set: |config, text| {
                config.retention.held_up = parse_held_up(text)
                    .map_err(|form| format!("{} is no policy: {form}", repeated(text)))?;
                Ok(())
            },
        },
    ),
    Setting::new(
        "groups.fsync",
        "When what consumer groups were delivered and acknowledged is synced, on disk: \
         interval:100ms (this often), always (before a call returns), or os. A crash \
         only ever delivers again",
        Field::Text {
            example: "interval:100ms",
            get: |config| config.groups_fsync.to_string(),
            set: |config, text| {
                config.groups_fsync = text.parse().map_err(|error| format!("{error}"))?;
                Ok(())
            },
        },
    ),
    Setting::new(
        "limits.event_bytes",
        "Bytes of an event at most: the sum of its stream field names and values",
        Field::Size {
            range: SIZE_MIN..=EVENT_BYTES_MAX,
            get: |config| config.limits.event_bytes_max as u64,
            set: |config, bytes| config.limits.event_bytes_max = bytes as usize,
        },
    ),
    Setting::new(
        "limits.batch_events",
        "Events of one append at most",
        Field::Number {
            range: 1..=BATCH_EVENTS_MAX,
            get: |config| config.limits.batch_events_max as u64,
            set: |config, events| config.limits.batch_events_max = events as usize,
        },
    ),
    Setting::new(
        "limits.batch_bytes",
        "Bytes of one append at most: the sum of its events' bytes",
        Field::Size {
            range: SIZE_MIN..=BATCH_BYTES_MAX,
            get: |config| config.limits.batch_bytes_max as u64,
            set: |config, bytes| config.limits.batch_bytes_max = bytes as usize,
        },
    ),
    redis::PASSWORD,
    redis::PARTITIONS,
    redis::WAIT_REPLICAS,
    redis::WAIT_AOF,
    redis::WAIT_TIMEOUT,
    redis::IDS_MAX,
    redis::TIMEOUT,
    summarizer::URL,
    summarizer::MODEL,
    summarizer::KEY,
    summarizer::TIMEOUT,
    summarizer::ALLOW_HTTP,
];

/// Room for an event without data, whose ids are as long as they may be.
const SIZE_MIN: u64 = 1 << 10;

/// A file that says what holds anyhow: every setting with its meaning and its default.
pub fn example() -> String {
    let defaults = Config::default();
    let mut out = String::from(
        "# Settings of Recount. Flags and RECOUNT_* variables win over this file.\n\
         # Times are written 500ms, 5s, 30m, 24h, 7d or 2w, sizes 64KiB, 1MiB or in bytes.\n",
    );
    let mut table = "";
    for setting in SETTINGS {
        let (within, name) = setting.key.rsplit_once('.').unwrap_or(("", setting.key));
        if within != table {
            let _ = write!(out, "\n[{within}]");
            table = within;
        }
        let line = match setting.value(&defaults) {
            _ if matches!(setting.field, Field::Secret { .. }) => format!("# {name} = \"...\""),
            // Written down, it would no longer be what the engine suggests.
            Value::Text(text) if setting.key == "idempotency_window" => {
                format!("# {name} = {text:?}")
            }
            Value::Text(text) => format!("{name} = {text:?}"),
            value => format!("{name} = {value}"),
        };
        out.push('\n');
        for words in wrapped(setting.meaning) {
            let _ = writeln!(out, "# {words}");
        }
        let _ = writeln!(out, "{line}");
    }
    out
}

/// The words of `text` in lines of a comment.
fn wrapped(text: &str) -> Vec<String> {
    const WIDTH: usize = 90;
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is one");
        if line.is_empty() {
            line.push_str(word);
        } else if line.len() + 1 + word.len() > WIDTH {
            lines.push(word.to_owned());
        } else {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines
}
