//! Puts a run's events together: ids, data, the mark of a made-up time.

use recount_core::payload::Payload;
use recount_core::{Event, EventType, InvalidEvent, JsonObject, TimestampSource};
use serde_json::{Map, Value};

use super::identity;
use super::time::Moment;

pub(super) struct Writer {
    session: String,
    id_prefix: String,
    user: Option<String>,
    pub events: Vec<Event>,
}

impl Writer {
    pub fn new(session: String, user: Option<String>) -> Self {
        Self {
            id_prefix: identity::prefix(&session),
            session,
            user,
            events: Vec::new(),
        }
    }

    /// Adds an event whose documented fields are `own`; `place` tells it from the run's others.
    ///
    /// The id holds a hash of the content, so that another run of the same session id can neither
    /// hide behind this one's events nor replace them.
    pub fn push(
        &mut self,
        place: &str,
        event_type: &EventType,
        mut own: Map<String, Value>,
        carried: Map<String, Value>,
        moment: Moment,
    ) -> Result<(), InvalidEvent> {
        if moment.synthetic {
            own.insert("synthetic_time".into(), true.into());
        }
        let apart = carried.keys().any(|key| own.contains_key(key));
        let mut event = self.event(
            place,
            event_type,
            data(&own, carried.clone(), apart),
            moment,
        )?;
        // A carried key may have a documented one's name and another type.
        if !apart && !carried.is_empty() && Payload::of(&event).is_err() {
            event = self.event(place, event_type, data(&own, carried, true), moment)?;
        }
        self.events.push(event);
        Ok(())
    }

    fn event(
        &self,
        place: &str,
        event_type: &EventType,
        data: JsonObject,
        moment: Moment,
    ) -> Result<Event, InvalidEvent> {
        // Made-up times depend on an option of the import, so they are no part of the identity.
        let at = (!moment.synthetic).then(|| moment.at.to_string());
        let hash = identity::hash(&[data.as_str(), at.as_deref().unwrap_or("")]);
        let mut event = Event::builder(event_type.clone(), &self.session)
            .id(format!("{}:{place}:{}", self.id_prefix, &hash[..8]))
            .timestamp(moment.at)
            .data(data);
        if let Some(user) = &self.user {
            event = event.user(user);
        }
        let mut event = event.build()?;
        if moment.synthetic {
            event.timestamp_source = TimestampSource::Filled;
        }
        Ok(event)
    }
}

fn data(own: &Map<String, Value>, carried: Map<String, Value>, apart: bool) -> JsonObject {
    let mut data = own.clone();
    if apart {
        data.insert("carried".into(), carried.into());
    } else {
        data.extend(carried);
    }
    data.into()
}
