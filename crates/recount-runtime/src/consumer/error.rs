//! Why a consumer does not start, or ends by itself.

use recount_core::{GroupError, ReadError};

/// Why a consumer did not start or could not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConsumerError {
    /// Something that the consumer needs was not said.
    #[error("a consumer needs {what}: {hint}")]
    Missing {
        /// What is missing.
        what: &'static str,
        /// How to say it.
        hint: &'static str,
    },
    /// A setting has a value that cannot work.
    #[error("{setting} must be {expected}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// What it may be.
        expected: &'static str,
    },
    /// A call on the group failed, and calling again would not help.
    #[error("consumer {consumer} of group {group}: {source}")]
    Group {
        /// The group.
        group: String,
        /// The consumer.
        consumer: String,
        /// What the engine said.
        source: GroupError,
    },
    /// The log could not be read, and reading again would not help.
    #[error("consumer {consumer} of group {group}: {source}")]
    Read {
        /// The group.
        group: String,
        /// The consumer.
        consumer: String,
        /// What the engine said.
        source: ReadError,
    },
    /// The consumer was ended from outside, with its runtime or by dropping it: nothing was given back.
    #[error(
        "consumer {consumer} of group {group} was ended before it could give back what it had: others take that over once it was idle long enough"
    )]
    Aborted {
        /// The group.
        group: String,
        /// The consumer.
        consumer: String,
    },
}

impl ConsumerError {
    /// A stable name for programs to tell errors apart by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "missing_setting",
            Self::Setting { .. } => "invalid_setting",
            Self::Group { source, .. } => source.code(),
            Self::Read { source, .. } => source.code(),
            Self::Aborted { .. } => "aborted",
        }
    }
}
