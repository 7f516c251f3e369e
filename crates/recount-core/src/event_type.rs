//! The kinds of things an agent's memory does.

use std::fmt;

use crate::ids::{InvalidId, check_id};

macro_rules! event_types {
    ($($(#[$doc:meta])* $variant:ident = $name:literal),+ $(,)?) => {
        /// What kind of event this is.
        ///
        /// Any name outside the list is a [`EventType::Custom`] type and is carried unharmed.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum EventType {
            $($(#[$doc])* $variant,)+
            /// A type of the producer's own: 1 to 128 bytes without control characters. Dotted
            /// names such as `invoice.sent` read best.
            Custom(Box<str>),
        }

        impl EventType {
            /// The types Recount knows, in the order of this list.
            pub const KNOWN: &'static [EventType] = &[$(EventType::$variant,)+];

            /// The type's name on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $name,)+
                    Self::Custom(name) => name,
                }
            }

            fn known(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

event_types! {
    /// A message was added to a session's memory.
    MessageAdded = "message.added",
    /// A session began.
    SessionStarted = "session.started",
    /// A session came to an end.
    SessionEnded = "session.ended",
    /// A part of the conversation was summarised.
    SummaryCreated = "summary.created",
    /// The memory was searched.
    SearchPerformed = "search.performed",
    /// The memory was cleared.
    MemoryCleared = "memory.cleared",
    /// Something went wrong.
    ErrorOccurred = "error.occurred",
    /// The agent called a tool.
    ToolCalled = "tool.called",
    /// A tool answered.
    ToolReturned = "tool.returned",
    /// A session branched off another.
    SessionForked = "session.forked",
}

impl EventType {
    /// The type called `name`: one of the known ones, or a custom type if the name is legal.
    pub fn new(name: &str) -> Result<Self, InvalidId> {
        if let Some(known) = Self::known(name) {
            return Ok(known);
        }
        check_id("type", name)?;
        Ok(Self::Custom(name.into()))
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for EventType {
    type Err = InvalidId;

    fn from_str(name: &str) -> Result<Self, InvalidId> {
        Self::new(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_types_correspond() {
        for known in EventType::KNOWN {
            assert_eq!(&EventType::new(known.as_str()).unwrap(), known);
        }
        assert_eq!(
            EventType::new("invoice.sent").unwrap(),
            EventType::Custom("invoice.sent".into())
        );
        assert!(EventType::new("").is_err());
    }
}
