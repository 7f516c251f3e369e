//! What the known event types carry in their data.
//!
//! Every field is optional: a flight recorder takes what it is given. Fields that are not named
//! here are carried through in `other`, so that reading and writing a payload loses nothing.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Event, EventType, InvalidData, JsonObject};

macro_rules! payloads {
    ($($(#[$doc:meta])* $name:ident for $event_type:ident {
        $($(#[$field_doc:meta])* $field:ident: $type:ty,)*
    })+) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
            #[serde(default)]
            pub struct $name {
                $(
                    $(#[$field_doc])*
                    #[serde(skip_serializing_if = "Option::is_none")]
                    pub $field: Option<$type>,
                )*
                /// Every other field of the data.
                #[serde(flatten)]
                pub other: Map<String, Value>,
            }

            impl From<$name> for Payload {
                fn from(payload: $name) -> Self {
                    Self::$event_type(payload)
                }
            }
        )+

        /// The data of an event, typed by the event's type.
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub enum Payload {
            $(
                #[doc = concat!("The data of [`EventType::", stringify!($event_type), "`].")]
                $event_type($name),
            )+
            /// The data of a custom type.
            Custom(Map<String, Value>),
        }

        impl Payload {
            /// Reads the data of `event`. Fails where a documented field has another type.
            pub fn of(event: &Event) -> Result<Self, InvalidData> {
                Ok(match &event.event_type {
                    $(EventType::$event_type => Self::$event_type(event.data.read()?),)+
                    EventType::Custom(_) => Self::Custom(event.data.to_map()),
                })
            }

            /// Writes the payload as an event's data.
            pub fn to_data(&self) -> Result<JsonObject, InvalidData> {
                match self {
                    $(Self::$event_type(payload) => JsonObject::from_serialize(payload),)+
                    Self::Custom(map) => Ok(map.clone().into()),
                }
            }
        }
    };
}

payloads! {
    /// A message was added to the memory.
    MessageAdded for MessageAdded {
        /// Who speaks: `system`, `user`, `assistant` or `tool`.
        role: String,
        /// The text, or whatever structure the model's API uses for it.
        content: Value,
        /// Tokens the message counts.
        tokens: u64,
        /// Tokens that the model read for it.
        tokens_in: u64,
        /// Tokens that the model wrote.
        tokens_out: u64,
        /// What it cost, in the application's currency.
        cost: f64,
        /// The model that wrote it.
        model: String,
    }

    /// A session began.
    SessionStarted for SessionStarted {
        /// Anything the application knows about the session.
        metadata: Map<String, Value>,
    }

    /// A session ended.
    SessionEnded for SessionEnded {
        /// Why it ended: `completed`, `timeout`, `error` or the application's own word.
        reason: String,
        /// How long it lasted, in milliseconds.
        duration_ms: u64,
        /// What it was worth: 1 where all went well, less where it did not.
        reward: f64,
    }

    /// A part of the conversation was summarised.
    SummaryCreated for SummaryCreated {
        /// The summary.
        summary: String,
        /// How many messages it stands for.
        message_count: u64,
        /// The model that wrote it.
        model: String,
    }

    /// The memory was searched.
    SearchPerformed for SearchPerformed {
        /// What was searched for.
        query: String,
        /// How many results came back.
        results_count: u64,
        /// How long it took, in milliseconds.
        duration_ms: f64,
    }

    /// The memory was cleared.
    MemoryCleared for MemoryCleared {
        /// Why.
        reason: String,
        /// How many messages were forgotten.
        message_count: u64,
    }

    /// Something went wrong.
    ErrorOccurred for ErrorOccurred {
        /// What the error says.
        message: String,
        /// Its kind or code, as the failing part names it.
        code: String,
        /// The tool that failed, if one did.
        tool: String,
        /// The call that failed, as `call_id` of the `tool.called` event.
        call_id: String,
    }

    /// A tool was called.
    ToolCalled for ToolCalled {
        /// The tool's name.
        tool: String,
        /// The arguments; a JSON object, or text where the model wrote something else.
        arguments: Value,
        /// The call's id, which its result repeats.
        call_id: String,
    }

    /// A tool answered.
    ToolReturned for ToolReturned {
        /// The tool's name.
        tool: String,
        /// The call it answers.
        call_id: String,
        /// The answer.
        result: Value,
        /// How long the call took, in milliseconds.
        duration_ms: f64,
    }

    /// A session branched off another.
    SessionForked for SessionForked {
        /// The session it came from.
        parent_session_id: String,
        /// The last entry of the parent that the new session shares.
        at_entry_id: String,
        /// The partition of that entry.
        at_partition: u64,
        /// The parent's revision there.
        at_revision: u64,
        /// The parent's state there: what the new session begins with, whatever becomes of its parent.
        state: Map<String, Value>,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(event_type: EventType, data: &str) -> Event {
        Event::builder(event_type, "s")
            .data(JsonObject::parse(data.to_owned()).unwrap())
            .build()
            .unwrap()
    }

    #[test]
    fn documented_fields_are_typed_and_others_carried_through() {
        let event = event(
            EventType::MessageAdded,
            r#"{"role":"user","content":"Hi","mood":"good"}"#,
        );
        let payload = Payload::of(&event).unwrap();
        let Payload::MessageAdded(message) = &payload else {
            panic!("{payload:?}");
        };
        assert_eq!(message.role.as_deref(), Some("user"));
        assert_eq!(message.other["mood"], "good");
        assert_eq!(payload.to_data().unwrap().to_map(), event.data.to_map());
    }

    #[test]
    fn every_known_type_reads_an_empty_object_and_writes_it_back() {
        for known in EventType::KNOWN {
            let payload = Payload::of(&event(known.clone(), "{}")).unwrap();
            assert!(!matches!(payload, Payload::Custom(_)), "{known}");
            assert_eq!(payload.to_data().unwrap().as_str(), "{}", "{known}");
        }
    }

    #[test]
    fn a_field_of_another_type_is_an_error() {
        let event = event(EventType::MessageAdded, r#"{"role":7}"#);
        assert!(Payload::of(&event).is_err());
    }
}
