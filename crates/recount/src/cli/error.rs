//! The one place where errors become words on standard error and an exit code.
//!
//! 0: done. 1: it failed. 2: the arguments or the input were wrong. 130: interrupted.

use std::io::{self, Write as _};
use std::process::ExitCode;

use recount::{
    AppendError, ConsumerError, DeadError, FindError, ForkError, GroupError, InvalidEvent,
    InvalidQuestion, MirrorError, OpenError, ReadError, SessionError, TrimError,
};
use recount_disk::OpenError as DiskError;
use recount_redis::OpenError as RedisError;
use unicode_width::UnicodeWidthStr;

pub(crate) type Result<T = (), E = Failure> = std::result::Result<T, E>;

/// Why a command ends before its work is done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// To be told to the person.
    Reported {
        /// What failed, where.
        message: String,
        /// What to do.
        hint: Option<String>,
        /// The exit code.
        code: u8,
    },
    /// Another process writes the log.
    Locked {
        /// Which one, where.
        message: String,
        /// What to do.
        hint: &'static str,
    },
    /// Whoever read standard output has had enough, as `head` has. That is no error.
    OutputClosed,
    /// Ctrl-C.
    Interrupted,
}

impl Failure {
    /// Something failed.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::Reported {
            message: message.into(),
            hint: None,
            code: 1,
        }
    }

    /// The arguments or the input were wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Reported {
            message: message.into(),
            hint: None,
            code: 2,
        }
    }

    /// Adds what to do about it.
    pub(crate) fn hint(mut self, text: impl Into<String>) -> Self {
        if let Self::Reported { hint, .. } = &mut self {
            *hint = Some(text.into());
        }
        self
    }

    /// Says what to do where another process writes the log.
    pub(crate) fn hint_if_locked(mut self, text: &'static str) -> Self {
        if let Self::Locked { hint, .. } = &mut self {
            *hint = text;
        }
        self
    }

    /// Writing to standard output failed.
    pub(crate) fn output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::new(format!("writing to standard output: {error}")),
        }
    }

    /// Tells the person, and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Self::Reported {
                message,
                hint,
                code,
            } => {
                tell(&message, hint.as_deref());
                ExitCode::from(code)
            }
            Self::Locked { message, hint } => {
                tell(&message, Some(hint));
                ExitCode::FAILURE
            }
            Self::OutputClosed => ExitCode::SUCCESS,
            Self::Interrupted => ExitCode::from(130),
        }
    }
}

fn tell(message: &str, hint: Option<&str>) {
    // Where standard error is gone too, there is nobody to tell.
    let mut stderr = io::stderr().lock();
    let _ = writeln!(stderr, "error: {message}");
    if let Some(hint) = hint {
        let _ = writeln!(stderr, "hint: {hint}");
    }
}

impl From<InvalidEvent> for Failure {
    fn from(error: InvalidEvent) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let message = error.to_string();
        match error {
            OpenError::Url(_)
            | OpenError::Disk(DiskError::StreamName { .. })
            | OpenError::Redis(
                RedisError::Name { .. }
                | RedisError::Partitions { .. }
                | RedisError::OtherPartitions { .. }
                | RedisError::GroupsOnPartitions { .. }
                | RedisError::IsPartition { .. }
                | RedisError::Held { .. },
            ) => Self::usage(message),
            OpenError::Disk(DiskError::Locked { .. }) => Self::Locked {
                message,
                hint: "tail, events, search, sessions, timeline, state, memory recent, replay, info, export \
                       and others that only read work beside the process that writes",
            },
            _ => Self::new(message),
        }
    }
}

impl From<AppendError> for Failure {
    fn from(error: AppendError) -> Self {
        let message = error.to_string();
        match error {
            AppendError::InvalidEvent { .. }
            | AppendError::SeveralSessions { .. }
            | AppendError::TooManyEvents { .. }
            | AppendError::TooManyBytes { .. } => Self::usage(message),
            _ => Self::new(message),
        }
    }
}

impl From<MirrorError> for Failure {
    fn from(error: MirrorError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<GroupError> for Failure {
    fn from(error: GroupError) -> Self {
        let message = error.to_string();
        match error {
            GroupError::Name(_) => Self::usage(message),
            _ => Self::new(message),
        }
    }
}

impl From<ConsumerError> for Failure {
    fn from(error: ConsumerError) -> Self {
        match error {
            ConsumerError::Group { source, .. } => source.into(),
            other => Self::new(other.to_string()),
        }
    }
}

impl From<DeadError> for Failure {
    fn from(error: DeadError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<TrimError> for Failure {
    fn from(error: TrimError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Ahead { .. } => Self::usage(error.to_string()),
            error => Self::new(error.to_string()),
        }
    }
}

impl From<ForkError> for Failure {
    fn from(error: ForkError) -> Self {
        match error {
            ForkError::Parent(error) => error.into(),
            ForkError::Append(error) => error.into(),
            error => Self::new(error.to_string()),
        }
    }
}

impl From<InvalidQuestion> for Failure {
    fn from(error: InvalidQuestion) -> Self {
        let drawn = error.drawn(UnicodeWidthStr::width);
        Self::usage(format!("{error}\n{drawn}"))
    }
}

impl From<FindError> for Failure {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Read(error) => error.into(),
            FindError::Mirror(error) => error.into(),
            FindError::Cursor(error) => Self::usage(error.to_string()),
            error => Self::new(error.to_string()),
        }
    }
}
