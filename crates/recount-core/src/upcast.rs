//! Reading old events with new code: upcasters.
//!
//! The schema of an event type's data changes over the years; what is stored does not. An upcaster
//! is a pure function from the data of one version to the data of the next. [`UpcastLog`] applies the
//! chain of them wherever events are read, so that whoever handles events knows one version only.

mod log;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

pub use log::UpcastLog;

use crate::{Body, Event, EventType, Recorded};

/// How the data of an event that was read stands to the schemas that the reader knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Schema {
    /// It is as it was stored, and of a version that is known or that nobody declared.
    #[default]
    AsStored,
    /// It was lifted to the newest version.
    Upcast {
        /// The version it was stored with.
        from: u32,
    },
    /// Its version is newer than the newest that is known. It is as it was stored.
    Future {
        /// The newest version that is known.
        newest: u32,
    },
    /// An upcaster refused it. It is as it was stored.
    Refused {
        /// The version whose upcaster refused.
        at: u32,
        /// Why.
        reason: String,
    },
}

/// What is to be told of it; empty for data that is as it was stored and known.
impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AsStored => Ok(()),
            Self::Upcast { from } => write!(f, "upcast from version {from}"),
            Self::Future { newest } => {
                write!(f, "of a version newer than {newest}, the newest known here")
            }
            Self::Refused { at, reason } => {
                write!(
                    f,
                    "as stored: the upcaster from version {at} refused: {reason}"
                )
            }
        }
    }
}

/// Lifts the data of one version to the next, or says why it cannot.
type Step = Arc<dyn Fn(Map<String, Value>) -> Result<Map<String, Value>, String> + Send + Sync>;

/// The upcasters of a program, by event type and version.
///
/// The types of [`EventType::KNOWN`] are at version 1 unless upcasters say otherwise; of a custom type
/// nothing is known until one is registered.
///
/// ```
/// use recount_core::{EventType, Upcasters};
/// use serde_json::json;
///
/// let upcasters = Upcasters::builder()
///     .step(EventType::ToolCalled, 1, |mut data| {
///         // Version 2 calls the arguments `input`.
///         if let Some(arguments) = data.remove("arguments") {
///             data.insert("input".into(), arguments);
///         }
///         Ok(data)
///     })
///     .step(EventType::ToolCalled, 2, |mut data| {
///         data.insert("attempt".into(), json!(1));
///         Ok(data)
///     })
///     .build()?;
/// assert_eq!(upcasters.newest(&EventType::ToolCalled), Some(3));
/// # Ok::<(), recount_core::InvalidUpcasters>(())
/// ```
#[derive(Clone, Default)]
pub struct Upcasters {
    /// The steps of a type from its oldest version with one, without gaps.
    types: Arc<HashMap<EventType, Chain>>,
}

struct Chain {
    /// The version that the first step takes.
    first: u32,
    steps: Vec<Step>,
}

impl Chain {
    fn newest(&self) -> u32 {
        self.first + self.steps.len() as u32
    }
}

impl Upcasters {
    /// Starts a registry.
    pub fn builder() -> UpcastersBuilder {
        UpcastersBuilder { steps: Vec::new() }
    }

    /// The newest version of a type that is known; none for a type that nobody declared.
    pub fn newest(&self, event_type: &EventType) -> Option<u32> {
        match self.types.get(event_type) {
            Some(chain) => Some(chain.newest()),
            None if matches!(event_type, EventType::Custom(_)) => None,
            None => Some(1),
        }
    }

    /// What sets these upcasters apart from others, as far as it can be seen: the types and the versions that
    /// they take. What was made of events read with others may differ.
    ///
    /// What the functions do cannot be seen: where one changes, the version it leads to should too.
    pub fn fingerprint(&self) -> String {
        let mut types: Vec<_> = self
            .types
            .iter()
            .map(|(name, chain)| format!("{name} {}-{}", chain.first, chain.newest()))
            .collect();
        types.sort_unstable();
        types.join(", ")
    }

    /// Lifts what was read to the newest version of its type, or marks why it is not.
    ///
    /// Total: what an upcaster refuses and what is newer than every upcaster stays as it is stored.
    pub fn apply(&self, recorded: &mut Recorded) {
        // One comparison for most events of most programs.
        if let Body::Event(event) = &mut recorded.body
            && (event.version > 1 || !self.types.is_empty())
        {
            recorded.schema = self.lift(event);
        }
    }

    fn lift(&self, event: &mut Event) -> Schema {
        let stored = event.version;
        let Some(chain) = self.types.get(&event.event_type) else {
            return match self.newest(&event.event_type) {
                Some(newest) if stored > newest => Schema::Future { newest },
                _ => Schema::AsStored,
            };
        };
        let newest = chain.newest();
        if stored > newest {
            return Schema::Future { newest };
        }
        if stored == newest {
            return Schema::AsStored;
        }
        if stored < chain.first {
            return Schema::Refused {
                at: stored,
                reason: format!("there is none; the oldest is from version {}", chain.first),
            };
        }
        let mut data = event.data.to_map();
        for (step, at) in chain
            .steps
            .iter()
            .zip(chain.first..)
            .skip((stored - chain.first) as usize)
        {
            match step(data) {
                Ok(next) => data = next,
                Err(reason) => return Schema::Refused { at, reason },
            }
        }
        event.data = data.into();
        event.version = newest;
        Schema::Upcast { from: stored }
    }
}

impl fmt::Debug for Upcasters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let versions = self
            .types
            .iter()
            .map(|(name, chain)| (name.as_str(), chain.first..=chain.newest()));
        f.debug_map().entries(versions).finish()
    }
}

/// Collects upcasters; see [`Upcasters::builder`].
#[must_use]
pub struct UpcastersBuilder {
    steps: Vec<(EventType, u32, Step)>,
}

impl UpcastersBuilder {
    /// Registers the upcaster of a type from version `from` to the next.
    ///
    /// It must be pure: called again with the same data it must give the same, whatever else happened.
    pub fn step(
        mut self,
        event_type: EventType,
        from: u32,
        upcast: impl Fn(Map<String, Value>) -> Result<Map<String, Value>, String>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.steps.push((event_type, from, Arc::new(upcast)));
        self
    }

    /// The registry, if every type's versions follow one another.
    pub fn build(mut self) -> Result<Upcasters, InvalidUpcasters> {
        self.steps.sort_by_key(|&(_, from, _)| from);
        let mut types: HashMap<EventType, Chain> = HashMap::new();
        for (event_type, from, step) in self.steps {
            if from == 0 || from == u32::MAX {
                return Err(InvalidUpcasters::Version { event_type, from });
            }
            let chain = types.entry(event_type.clone()).or_insert(Chain {
                first: from,
                steps: Vec::new(),
            });
            let expected = chain.newest();
            if from < expected {
                return Err(InvalidUpcasters::Twice { event_type, from });
            }
            if from > expected {
                return Err(InvalidUpcasters::Gap {
                    event_type,
                    missing: expected,
                });
            }
            chain.steps.push(step);
        }
        Ok(Upcasters {
            types: Arc::new(types),
        })
    }
}

impl fmt::Debug for UpcastersBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = self.steps.iter().map(|(name, from, _)| (name, from));
        f.debug_list().entries(steps).finish()
    }
}

/// Why upcasters do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidUpcasters {
    /// Two take the same version.
    #[error("two upcasters take {event_type} from version {from}: remove one")]
    Twice {
        /// The type.
        event_type: EventType,
        /// The version.
        from: u32,
    },
    /// A version between two others has none.
    #[error(
        "no upcaster takes {event_type} from version {missing}, but later ones are there: add it"
    )]
    Gap {
        /// The type.
        event_type: EventType,
        /// The version.
        missing: u32,
    },
    /// No event can have that version, or the next.
    #[error("an upcaster takes {event_type} from version {from}: versions count from 1")]
    Version {
        /// The type.
        event_type: EventType,
        /// The version.
        from: u32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EntryId, JsonObject, Position};

    fn recorded(event_type: EventType, version: u32, data: &str) -> Recorded {
        let event = Event::builder(event_type, "s")
            .version(version)
            .data(JsonObject::parse(data.to_owned()).unwrap())
            .build()
            .unwrap();
        Recorded {
            position: Position {
                partition: 0,
                entry_id: EntryId::new(1, 0),
            },
            revision: 1,
            schema: Schema::AsStored,
            body: Body::Event(event),
        }
    }

    fn custom() -> EventType {
        EventType::new("invoice.sent").unwrap()
    }

    fn add(
        name: &'static str,
    ) -> impl Fn(Map<String, Value>) -> Result<Map<String, Value>, String> {
        move |mut data| {
            data.insert(name.into(), data.len().into());
            Ok(data)
        }
    }

    fn applied(upcasters: &Upcasters, mut recorded: Recorded) -> (Schema, u32, String) {
        upcasters.apply(&mut recorded);
        let event = recorded.event().unwrap();
        (
            recorded.schema.clone(),
            event.version,
            event.data.as_str().to_owned(),
        )
    }

    #[test]
    fn steps_are_chained_from_the_stored_version_on() {
        let upcasters = Upcasters::builder()
            .step(custom(), 2, add("b"))
            .step(custom(), 1, add("a"))
            .build()
            .unwrap();
        let from = |version| applied(&upcasters, recorded(custom(), version, "{}"));
        assert_eq!(
            from(1),
            (Schema::Upcast { from: 1 }, 3, r#"{"a":0,"b":1}"#.into())
        );
        assert_eq!(
            from(2),
            (Schema::Upcast { from: 2 }, 3, r#"{"b":0}"#.into())
        );
        assert_eq!(from(3), (Schema::AsStored, 3, "{}".into()));
        assert_eq!(from(4), (Schema::Future { newest: 3 }, 4, "{}".into()));
    }

    #[test]
    fn known_types_are_at_version_1_and_others_are_nobodys_business() {
        let none = Upcasters::default();
        let known = applied(&none, recorded(EventType::MessageAdded, 2, "{}"));
        assert_eq!(known.0, Schema::Future { newest: 1 });
        assert_eq!(
            applied(&none, recorded(custom(), 9, "{}")).0,
            Schema::AsStored
        );
    }

    #[test]
    fn what_is_refused_stays_as_it_is_stored() {
        let upcasters = Upcasters::builder()
            .step(custom(), 2, add("a"))
            .step(custom(), 3, |_| Err("no amount".into()))
            .build()
            .unwrap();
        let (schema, version, data) = applied(&upcasters, recorded(custom(), 2, r#"{"x":1}"#));
        assert_eq!((version, &*data), (2, r#"{"x":1}"#));
        assert_eq!(
            schema.to_string(),
            "as stored: the upcaster from version 3 refused: no amount"
        );
        let (schema, ..) = applied(&upcasters, recorded(custom(), 1, "{}"));
        assert!(
            schema.to_string().contains("the oldest is from version 2"),
            "{schema}"
        );
    }

    #[test]
    fn the_fingerprint_tells_types_and_versions_apart() {
        let of = |steps: &[(EventType, u32)]| {
            let steps = steps.iter().fold(Upcasters::builder(), |builder, step| {
                builder.step(step.0.clone(), step.1, Ok)
            });
            steps.build().unwrap().fingerprint()
        };
        assert_eq!(of(&[]), "");
        let called = || EventType::ToolCalled;
        let both = of(&[(custom(), 1), (custom(), 2), (called(), 1)]);
        assert_eq!(both, "invoice.sent 1-3, tool.called 1-2");
        assert_eq!(both, of(&[(called(), 1), (custom(), 2), (custom(), 1)]));
        assert_ne!(of(&[(custom(), 1)]), of(&[(custom(), 2)]));
    }

    #[test]
    fn a_registry_with_a_gap_or_a_rival_is_refused() {
        let build = |versions: &[u32]| {
            let steps = versions
                .iter()
                .fold(Upcasters::builder(), |builder, &from| {
                    builder.step(custom(), from, Ok)
                });
            steps.build().map_err(|error| error.to_string())
        };
        assert!(build(&[3, 1, 2]).is_ok());
        assert!(build(&[1, 3]).unwrap_err().contains("from version 2"));
        assert!(build(&[1, 1]).unwrap_err().contains("two upcasters"));
        assert!(build(&[0]).unwrap_err().contains("count from 1"));
    }
}
