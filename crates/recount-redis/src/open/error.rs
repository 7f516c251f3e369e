//! Why a stream is not opened.

use crate::error::{Failed, explain};
use crate::net::CallError;
use crate::options::RedisOptions;

/// Why a stream on a server could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The server could not be reached.
    #[error("{address}: {message}")]
    Unavailable {
        /// The server, without secrets.
        address: String,
        /// What happened, and what to check.
        message: String,
    },
    /// The server refused.
    #[error("{address}: {message}")]
    Refused {
        /// The server, without secrets.
        address: String,
        /// What it said, and what to do.
        message: String,
    },
    /// The server is too old.
    #[error("{address} is {server}: Recount needs Redis 6.0 or later, or Valkey")]
    TooOld {
        /// The server, without secrets.
        address: String,
        /// Its name and version.
        server: String,
    },
    /// The server lacks a command that an option needs.
    #[error("{address} is {server}, which has no {command}: {instead}")]
    Missing {
        /// The server, without secrets.
        address: String,
        /// Its name and version.
        server: String,
        /// What it lacks.
        command: &'static str,
        /// What to do instead.
        instead: &'static str,
    },
    /// The server has no append-only file, whose sync was to be waited for.
    #[error(
        "{address} has no append-only file to wait for: set `appendonly yes` there, or wait for replicas only"
    )]
    NoAof {
        /// The server, without secrets.
        address: String,
    },
    /// The stream's name cannot be a key.
    #[error("the stream name {name:?} cannot be used on a server: {reason}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The key holds something else.
    #[error("{address}: the key {key} holds a {kind}, not a stream: choose another --stream")]
    WrongType {
        /// The server, without secrets.
        address: String,
        /// The key.
        key: String,
        /// What it holds.
        kind: String,
    },
    /// A later version of Recount wrote it.
    #[error(
        "{address}: the stream is of format {format} ({key}), which this version does not know: use a newer one"
    )]
    Newer {
        /// The server, without secrets.
        address: String,
        /// The key that says so.
        key: String,
        /// The format.
        format: String,
    },
    /// There is no such stream, and it was to be read only.
    #[error("{address} has no stream {name}: publish to it first, or look what there is")]
    NoStream {
        /// The server, without secrets.
        address: String,
        /// The stream.
        name: String,
    },
    /// The name is that of another stream's partition.
    #[error(
        "{address}: {name} is a partition of the stream {stream}: name that stream, or choose another name"
    )]
    IsPartition {
        /// The server, without secrets.
        address: String,
        /// The name, and the partition's key.
        name: String,
        /// The stream with partitions.
        stream: String,
    },
    /// What would be a partition holds another stream.
    #[error(
        "{address}: the stream {name} would have a partition at the key {key}, which holds another stream: choose \
         another name, or remove the key"
    )]
    Held {
        /// The server, without secrets.
        address: String,
        /// The stream that was to have partitions.
        name: String,
        /// The key.
        key: String,
    },
    /// An option is out of its bounds.
    #[error(
        "a stream has from 1 to {} partitions, not {given}",
        RedisOptions::PARTITIONS_MAX
    )]
    Partitions {
        /// What was given.
        given: u32,
    },
    /// The stream has another number of partitions, and consumer groups on them.
    #[error(
        "the stream {name} has {} with consumer groups, not {wanted}: they would not see the others. Delete them \
         first (`recount groups delete GROUP --stream {name}`) and create them again once the stream has its \
         partitions",
        count(*.actual)
    )]
    GroupsOnPartitions {
        /// The stream.
        name: String,
        /// How many it has.
        actual: u32,
        /// How many it was to have.
        wanted: u32,
    },
    /// The stream has another number of partitions, and data in them.
    #[error(
        "the stream {name} has {} with data, not {wanted}: a session's order would not survive a change. To \
         migrate, export it and import it into a new stream of {}, at the same URL: `recount export \
         --stream {name} | recount import - --stream NEW --partitions {wanted}`",
        count(*.actual),
        count(*.wanted)
    )]
    OtherPartitions {
        /// The stream.
        name: String,
        /// How many it has.
        actual: u32,
        /// How many were asked for.
        wanted: u32,
    },
}

fn count(partitions: u32) -> String {
    match partitions {
        1 => "1 partition".to_owned(),
        several => format!("{several} partitions"),
    }
}

impl From<Failed> for OpenError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Call(CallError::Unavailable { address, message }) => {
                Self::Unavailable { address, message }
            }
            Failed::Call(CallError::Server {
                address,
                code,
                message,
            }) => Self::Refused {
                address,
                message: explain(&code, &message),
            },
            Failed::Call(CallError::Closed) => Self::Unavailable {
                address: "the server".into(),
                message: "the connection was closed".into(),
            },
            Failed::Unexpected { address, wanted } => Self::Refused {
                address,
                message: format!("the answer is not {wanted}: is this a Redis server?"),
            },
        }
    }
}

impl From<CallError> for OpenError {
    fn from(error: CallError) -> Self {
        Failed::from(error).into()
    }
}
