//! What went wrong in one attempt, and what may help.

use std::time::Duration;

use redis::ServerError;

use super::error::CallError;
use crate::url::Address;

/// Why one attempt came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// The server, as people write it.
    pub(super) address: String,
    pub(super) problem: Problem,
    /// Whether some of the request was, or may have been, executed.
    pub(super) executed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Problem {
    /// No connection, or it broke, or no answer came: what happened and what to check.
    Lost(String),
    /// The server answered so.
    Server { code: String, message: String },
}

/// Of a server that does not know what every Redis knows.
pub(super) const LOOKS_LIKE_SENTINEL: &str = "this looks like a Sentinel: write redis-sentinel://host:port/NAME, where \
     `redis-cli -h host -p port sentinel masters` tells the NAME";

/// Commands that a Redis without them is none.
const KNOWN_TO_ALL: [&str; 5] = ["HGET", "TYPE", "SCAN", "EVALSHA", "SCRIPT"];

/// What to do before the next attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Remedy {
    /// The slot has moved for good: ask there from now on.
    Moved(Address),
    /// The key is being moved: ask there once.
    Ask(Address),
    /// Load the script.
    Load,
    /// Find out anew who the master is.
    Rediscover,
    /// The server is busy with something that ends.
    Wait,
    /// No attempt will fare better.
    GiveUp,
}

impl Failure {
    /// A connection that could not be made: nothing was sent.
    pub(super) fn unreachable(address: &str, message: String) -> Self {
        Self {
            address: address.to_owned(),
            problem: Problem::Lost(message),
            executed: false,
        }
    }

    /// A connection that broke, or stayed silent, while a request was under way.
    pub(super) fn broken(address: &str, message: String) -> Self {
        Self {
            executed: true,
            ..Self::unreachable(address, message)
        }
    }

    /// An answer of the server's that is an error. Nothing was executed.
    pub(super) fn answered(address: &str, error: &ServerError) -> Self {
        let message = error.details().unwrap_or_default();
        let (code, message) =
            inner_error(error.code(), message).unwrap_or((error.code(), message.to_owned()));
        Self::server(address, code, message)
    }

    /// The same with a message of ours.
    pub(super) fn server(address: &str, code: &str, message: String) -> Self {
        Self {
            address: address.to_owned(),
            problem: Problem::Server {
                code: code.to_owned(),
                message,
            },
            executed: false,
        }
    }

    /// Whether a replica refused to write.
    pub(super) fn is_read_only(&self) -> bool {
        matches!(&self.problem, Problem::Server { code, .. } if code == "READONLY")
    }

    /// The command that the server says it does not know, in whichever quotes.
    pub(super) fn unknown_command(&self) -> Option<&str> {
        let Problem::Server { message, .. } = &self.problem else {
            return None;
        };
        let name = message.strip_prefix("unknown command ")?;
        name.split(['\'', '`']).nth(1)
    }

    /// The same, and what it means.
    pub(super) fn saying(mut self, what: &str) -> Self {
        if let Problem::Server { message, .. } = &mut self.problem {
            *message = format!("{}; {what}", message.trim_end());
        }
        self
    }

    /// What may help. A redirection that names no host means the host that answered.
    pub(super) fn remedy(&self, asked: &Address) -> Remedy {
        let (code, message) = match &self.problem {
            Problem::Lost(_) => return Remedy::Rediscover,
            Problem::Server { code, message } => (code.as_str(), message),
        };
        match code {
            "MOVED" => target(message, asked).map_or(Remedy::Rediscover, Remedy::Moved),
            "ASK" => target(message, asked).map_or(Remedy::Rediscover, Remedy::Ask),
            "NOSCRIPT" => Remedy::Load,
            "CLUSTERDOWN" | "MASTERDOWN" | "READONLY" | "UNBLOCKED" => Remedy::Rediscover,
            "TRYAGAIN" | "LOADING" | "BUSY" => Remedy::Wait,
            "ERR" if message.starts_with("max number of clients") => Remedy::Wait,
            _ => Remedy::GiveUp,
        }
    }

    /// The error of a call that is not tried again.
    pub(super) fn into_error(self) -> CallError {
        let unknown = self.unknown_command().map(str::to_ascii_uppercase);
        if unknown.is_some_and(|name| KNOWN_TO_ALL.contains(&name.as_str())) {
            return self.saying(LOOKS_LIKE_SENTINEL).given_up();
        }
        self.given_up()
    }

    fn given_up(self) -> CallError {
        let address = self.address;
        match self.problem {
            Problem::Lost(message) => CallError::Unavailable { address, message },
            Problem::Server { code, message } if code == "MOVED" || code == "ASK" => {
                CallError::Server {
                    address,
                    code,
                    message: format!(
                        "{message}; this is a node of a cluster: name it as redis-cluster://host:port"
                    ),
                }
            }
            Problem::Server { code, message } => CallError::Server {
                address,
                code,
                message,
            },
        }
    }

    /// The error of a call that was tried for all of `deadline`. A server that only redirects or excuses
    /// itself is as good as none; READONLY is an answer.
    pub(super) fn after(self, deadline: Duration) -> CallError {
        let tried = format!("tried for {deadline:?}");
        match &self.problem {
            Problem::Lost(message) => CallError::Unavailable {
                message: format!("{message}; {tried}"),
                address: self.address,
            },
            Problem::Server { .. } if self.is_read_only() => self.into_error(),
            Problem::Server { code, message } => CallError::Unavailable {
                message: format!("it answers {code} {message}; {tried}{}", advice(code)),
                address: self.address,
            },
        }
    }

    /// The error of a connection that is of no more use.
    pub(super) fn gone(self) -> CallError {
        let message = match self.problem {
            Problem::Lost(message) => message,
            Problem::Server { code, message } => {
                format!("it answers {code} {message}{}", advice(&code))
            }
        };
        CallError::Unavailable {
            address: self.address,
            message,
        }
    }

    /// The error of a call that must not be sent again, though another attempt might succeed.
    pub(super) fn unknown(self) -> CallError {
        let what = match &self.problem {
            Problem::Lost(message) => message.clone(),
            Problem::Server { code, message } => format!("{code} {message}"),
        };
        CallError::Unavailable {
            address: self.address,
            message: format!(
                "{what}; the request was under way and may have been executed, so it was not sent again"
            ),
        }
    }
}

/// A time for people: what is left of ten seconds after a moment is ten seconds.
pub(super) fn rounded(time: Duration) -> Duration {
    let unit_ms = if time < Duration::from_secs(1) {
        1
    } else {
        100
    };
    let units = (time.as_micros() as u64 + unit_ms * 500) / (unit_ms * 1_000);
    Duration::from_millis(units * unit_ms)
}

fn advice(code: &str) -> &'static str {
    match code {
        "LOADING" => ": it is reading its data from disk, wait until INFO says loading:0",
        "CLUSTERDOWN" => ": check `redis-cli cluster info` on any node",
        "MASTERDOWN" => ": it is a replica without its master",
        "TRYAGAIN" => ": the slot is being moved, wait until that has ended",
        "BUSY" => ": a script is running on it, see SCRIPT KILL",
        _ => "",
    }
}

/// `3999 127.0.0.1:6381`: the address a MOVED or an ASK names.
fn target(message: &str, asked: &Address) -> Option<Address> {
    let address = message.split_whitespace().nth(1)?;
    let (host, port) = address.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Some(Address {
        host: match host {
            "" | "?" => asked.host.clone(),
            host => host.to_owned(),
        },
        port: port.parse().ok()?,
    })
}

/// The error inside a script's error. Before Redis 7 what a command in a script answered is wrapped:
/// `ERR Error running script (call to f_1b93...): @user_script:7: @user_script: 7: -OOM command not allowed`.
fn inner_error<'a>(code: &str, message: &'a str) -> Option<(&'a str, String)> {
    if code != "ERR" || !message.starts_with("Error running script") {
        return None;
    }
    let (_, inner) = message.rsplit_once("@user_script: ")?;
    let (line, inner) = inner.split_once(": ")?;
    let (code, rest) = inner.trim_start_matches('-').split_once(' ')?;
    let is_code = !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_uppercase());
    (is_code && line.bytes().all(|byte| byte.is_ascii_digit())).then(|| (code, rest.to_owned()))
}

#[cfg(test)]
mod tests;
