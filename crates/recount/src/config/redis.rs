//! What is set of logs on a server.

use std::fmt;
use std::time::Duration;

use recount_redis::{RedisOptions, WaitAof};

/// What is set of logs on a server; a log on disk heeds none of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisConfig {
    /// The password where the URL has none. Default: none.
    pub password: Option<Secret>,
    /// How many partitions the stream has. Default: what it has, or 1 for a new one.
    pub partitions: Option<u32>,
    /// How many replicas must have an append before it is acknowledged (`WAIT`). Default: 0.
    pub wait_replicas: u32,
    /// Who must have synced an append before it is acknowledged (`WAITAOF`). Default: nobody.
    pub wait_aof: Option<WaitAof>,
    /// How long to wait for them. Default: 5 s.
    pub wait_timeout: Duration,
    /// How many event ids of a partition are remembered at most. Default: 1,000,000.
    pub idempotency_ids_max: u64,
    /// How long a call is tried before it fails. Default: 10 s.
    pub timeout: Duration,
}

impl Default for RedisConfig {
    fn default() -> Self {
        let options = RedisOptions::default();
        Self {
            password: None,
            partitions: options.partitions,
            wait_replicas: options.wait_replicas,
            wait_aof: options.wait_aof,
            wait_timeout: options.wait_timeout,
            idempotency_ids_max: options.idempotency_ids_max,
            timeout: options.deadline,
        }
    }
}

/// Something that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` from being shown.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// The word for nobody who must have synced.
const NOBODY: &str = "off";
const SERVER: &str = "local";
const REPLICAS: &str = "replicas:";

/// Reads `off`, `local`, `replicas:1` or `local+replicas:1`.
pub(super) fn parse_wait_aof(text: &str) -> Result<Option<WaitAof>, String> {
    if text == NOBODY {
        return Ok(None);
    }
    let read = match text.strip_prefix(SERVER) {
        Some("") => Some(WaitAof {
            local: true,
            replicas: 0,
        }),
        Some(rest) => rest.strip_prefix('+').and_then(|rest| waits(true, rest)),
        None => waits(false, text),
    };
    let wrong = || "write off, local, replicas:N or local+replicas:N".to_owned();
    read.map(Some).ok_or_else(wrong)
}

fn waits(local: bool, text: &str) -> Option<WaitAof> {
    let digits = text.strip_prefix(REPLICAS)?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let replicas = digits.parse().ok().filter(|&number| plain && number > 0)?;
    Some(WaitAof { local, replicas })
}

/// As [`parse_wait_aof`] reads it.
pub(super) fn show_wait_aof(wait: Option<WaitAof>) -> String {
    match wait {
        None
        | Some(WaitAof {
            local: false,
            replicas: 0,
        }) => NOBODY.to_owned(),
        Some(WaitAof {
            local: true,
            replicas: 0,
        }) => SERVER.to_owned(),
        Some(WaitAof {
            local: true,
            replicas,
        }) => format!("{SERVER}+{REPLICAS}{replicas}"),
        Some(WaitAof {
            local: false,
            replicas,
        }) => format!("{REPLICAS}{replicas}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_must_have_synced_is_read_and_shown() {
        for text in ["off", "local", "replicas:2", "local+replicas:1"] {
            let read = parse_wait_aof(text).unwrap();
            assert_eq!(show_wait_aof(read), text);
        }
        for bad in [
            "",
            "on",
            "local+",
            "replicas:",
            "replicas:0",
            "replicas:+1",
            "local,replicas:1",
        ] {
            assert!(parse_wait_aof(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        let config = RedisConfig {
            password: Some(Secret::new("hunter2")),
            ..RedisConfig::default()
        };
        assert!(!format!("{config:?}").contains("hunter2"));
        assert_eq!(config.password.unwrap().reveal(), "hunter2");
    }
}
