//! The engines, each with an empty log.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use recount::config::RedisConfig;
use recount::json::{Line, LineBody};
use recount::{Event, EventType, JsonObject, Limits, Recount, SystemClock};
use recount_conformance::{MemoryLog, MemoryOptions, MemoryStream};
use recount_testbed::{Flavor, Server};

/// An open log, and what must live as long.
pub struct Engine {
    pub name: &'static str,
    pub recount: Recount,
    _held: Box<dyn Any>,
}

pub fn memory() -> Engine {
    let options = MemoryOptions {
        clock: Arc::new(SystemClock),
        limits: Limits::default(),
        idempotency_window: Duration::from_mins(10),
    };
    let log = MemoryLog::open(&MemoryStream::default(), options);
    Engine {
        name: "memory",
        recount: Recount::over(Arc::new(log)),
        _held: Box::new(()),
    }
}

pub async fn disk() -> Engine {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("disk:{}", folder.path().display());
    Engine {
        name: "disk",
        recount: Recount::open(&url).await.unwrap(),
        _held: Box::new(folder),
    }
}

/// A stream of `partitions` on a server, without a mirror.
pub async fn redis(partitions: u32) -> Engine {
    let server = Server::start(Flavor::Redis70, &[]);
    let config = RedisConfig {
        partitions: Some(partitions),
        ..RedisConfig::default()
    };
    let recount = Recount::builder()
        .url(server.url())
        .redis(config)
        .open()
        .await;
    Engine {
        name: "redis",
        recount: recount.unwrap(),
        _held: Box::new(server),
    }
}

/// The same with a mirror.
pub async fn mirrored() -> Engine {
    let server = Server::start(Flavor::Redis70, &[]);
    let folder = tempfile::tempdir().unwrap();
    let recount = Recount::builder()
        .url(server.url())
        .mirror(folder.path())
        .open()
        .await;
    Engine {
        name: "mirrored",
        recount: recount.unwrap(),
        _held: Box::new((server, folder)),
    }
}

pub async fn all() -> Vec<Engine> {
    vec![memory(), disk().await, redis(3).await, mirrored().await]
}

/// The hand-written conversation, with everything in it that goes wrong in one.
pub fn conversation() -> Vec<Event> {
    let lines = include_str!("../data/conversation.ndjson").lines();
    let events = lines.map(|line| match Line::parse(line.as_bytes()).unwrap().body {
        LineBody::Event(event) => event.into_event().unwrap(),
        LineBody::Fields(fields) => panic!("{fields:?}"),
    });
    events.collect()
}

/// Its session.
pub const CONVERSATION: &str = "order-4711";

pub fn event(event_type: EventType, session: &str, data: &str) -> Event {
    Event::builder(event_type, session)
        .data(JsonObject::parse(data.to_owned()).unwrap())
        .build()
        .unwrap()
}

pub fn message(session: &str, text: &str) -> Event {
    let data = serde_json::json!({"role": "user", "content": text, "tokens": 1});
    event(EventType::MessageAdded, session, &data.to_string())
}

/// Records messages of a session, each a batch of its own.
pub async fn say(recount: &Recount, session: &str, texts: impl IntoIterator<Item = String>) {
    for text in texts {
        recount.record(message(session, &text)).await.unwrap();
    }
}

/// What the messages say.
pub fn texts(messages: &recount::Messages) -> Vec<String> {
    let texts = messages.messages.iter().map(recount::StateMessage::text);
    texts.map(|text| text.unwrap().into_owned()).collect()
}
