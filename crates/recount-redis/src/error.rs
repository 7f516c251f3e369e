//! Between what a call fails with and the contract's errors.

use recount_core::{AppendError, GroupError, ReadError, TrimError};

use crate::net::CallError;
use crate::wire::Unexpected;

/// A call that failed, or whose answer has another shape than its command.
#[derive(Debug)]
pub(crate) enum Failed {
    Call(CallError),
    Unexpected {
        address: String,
        wanted: &'static str,
    },
}

impl From<CallError> for Failed {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl Unexpected {
    /// The same, said of the server that answered.
    pub(crate) fn from(self, address: String) -> Failed {
        Failed::Unexpected {
            address,
            wanted: self.0,
        }
    }
}

/// What the contract's errors are made of.
enum Kind {
    Unavailable { address: String, message: String },
    Full { address: String },
    Refused { address: String, message: String },
    Closed,
}

impl Failed {
    fn kind(self, key: &str) -> Kind {
        match self {
            Self::Call(CallError::Closed) => Kind::Closed,
            Self::Call(CallError::Unavailable { address, message }) => {
                Kind::Unavailable { address, message }
            }
            Self::Call(CallError::Server { address, code, .. }) if code == "OOM" => {
                Kind::Full { address }
            }
            Self::Call(CallError::Server {
                address,
                code,
                message,
            }) => Kind::Refused {
                address: format!("{address} {key}"),
                message: explain(&code, &message),
            },
            Self::Unexpected { address, wanted } => Kind::Refused {
                address: format!("{address} {key}"),
                message: format!("the answer is not {wanted}: is this a Redis server?"),
            },
        }
    }

    /// As the error of an append to `key`.
    pub(crate) fn append(self, key: &str) -> AppendError {
        match self.kind(key) {
            Kind::Unavailable { address, message } => AppendError::Unavailable { address, message },
            Kind::Full { address } => AppendError::Full {
                path: format!("{address}, whose memory limit (maxmemory) is reached"),
            },
            Kind::Refused { address, message } => AppendError::Storage {
                action: "publishing to",
                path: address,
                message,
            },
            Kind::Closed => AppendError::Closed,
        }
    }

    /// As the error of a read of `key`.
    pub(crate) fn read(self, key: &str) -> ReadError {
        match self.kind(key) {
            Kind::Unavailable { address, message } => ReadError::Unavailable { address, message },
            Kind::Full { address } => ReadError::Storage {
                action: "reading",
                path: address,
                message: "its memory limit (maxmemory) is reached: raise it, or trim".into(),
            },
            Kind::Refused { address, message } => ReadError::Storage {
                action: "reading",
                path: address,
                message,
            },
            Kind::Closed => ReadError::Closed,
        }
    }

    /// As the error of a call on a group of `stream`, which is kept at `key`.
    pub(crate) fn group(self, key: &str, group: &str, stream: &str) -> GroupError {
        if let Self::Call(CallError::Server { code, message, .. }) = &self {
            let (group, stream) = (group.to_owned(), stream.to_owned());
            // A stream that is not there has no groups.
            let no_stream =
                message.contains("no such key") || message.contains("requires the key to exist");
            match code.as_str() {
                "NOGROUP" => return GroupError::NoGroup { group, stream },
                "ERR" if no_stream => return GroupError::NoGroup { group, stream },
                "BUSYGROUP" => return GroupError::Exists { group, stream },
                _ => {}
            }
        }
        match self.kind(key) {
            Kind::Unavailable { address, message } => GroupError::Unavailable { address, message },
            Kind::Full { address } => GroupError::Full {
                path: format!("{address}, whose memory limit (maxmemory) is reached"),
            },
            Kind::Refused { address, message } => GroupError::Storage {
                action: "serving a group of",
                path: address,
                message,
            },
            Kind::Closed => GroupError::Read(ReadError::Closed),
        }
    }

    /// As the error of a trim of `key`.
    pub(crate) fn trim(self, key: &str) -> TrimError {
        match self.kind(key) {
            Kind::Unavailable { address, message } => TrimError::Unavailable { address, message },
            Kind::Full { address } => TrimError::Storage {
                action: "trimming",
                path: address,
                message:
                    "its memory limit (maxmemory) is reached, and the server lets no script run \
                          that writes: raise it a little, then trim"
                        .into(),
            },
            Kind::Refused { address, message } => TrimError::Storage {
                action: "trimming",
                path: address,
                message,
            },
            Kind::Closed => TrimError::Closed,
        }
    }
}

/// A server's answer, and what to do.
pub(crate) fn explain(code: &str, message: &str) -> String {
    let said = format!("{code} {message}");
    match code {
        "WRONGTYPE" => {
            "the key holds something else than a stream, or one beside it ({...}:recount:*) what is not \
             Recount's: choose another stream (--stream), or remove it; KEYS.md says what the keys hold"
                .into()
        }
        "NOPERM" => not_permitted(&said),
        // What servers say inside a script.
        "ERR"
            if message.contains("The user executing the script can't")
                || message.contains("ACL failure in script") =>
        {
            not_permitted(&said)
        }
        "READONLY" => {
            "the server is a read-only replica: give the address of its master".into()
        }
        "MISCONF" => format!("the server cannot write its snapshot and takes no writes: {said}"),
        "NOREPLICAS" => format!("the server has too few replicas to take writes: {said}"),
        _ => said,
    }
}

fn not_permitted(said: &str) -> String {
    format!("the user may not do this: {said}; KEYS.md lists the commands and keys it needs")
}
