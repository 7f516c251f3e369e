//! What the log held before the import, session by session.

use std::collections::HashMap;
use std::hash::Hasher as _;
use std::ops::Bound;

use recount::{
    Body, Cursor, EntryId, Event, Field, IdRange, Position, ReadRange, Recount, codec, same_content,
};
use siphasher::sip::SipHasher13;

use crate::cli::error::{Failure, Result};

/// Event ids kept in memory at most, but for a single session that has more.
const IDS_MAX: usize = 50_000;

/// Looks up which events are there. Sessions are read once and kept while there is room.
pub(super) struct Held {
    log: Option<Recount>,
    /// The last ids of the partitions when the import began. What came later is the import's own, within
    /// the idempotency window.
    until: Cursor,
    partitions: u32,
    sessions: HashMap<String, Session>,
    ids: usize,
    clock: u64,
}

struct Session {
    known: HashMap<Box<str>, Known>,
    /// When it was asked for last, on [`Held::clock`].
    used: u64,
}

#[derive(Clone, Copy)]
struct Known {
    position: Position,
    content: u64,
}

/// What the log has under an event's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Same,
    Other(Position),
}

impl Held {
    /// A log that holds nothing.
    pub fn nothing() -> Self {
        Self {
            log: None,
            until: Cursor::start(),
            partitions: 1,
            sessions: HashMap::new(),
            ids: 0,
            clock: 0,
        }
    }

    pub async fn new(log: &Recount) -> Result<Self> {
        Ok(Self {
            log: Some(log.clone()),
            until: log.log().tail().await.map_err(Failure::from)?,
            partitions: log.log().partitions(),
            ..Self::nothing()
        })
    }

    /// The last id of the only partition; none where there are several.
    pub fn last_id(&self) -> Option<EntryId> {
        (self.partitions == 1).then(|| self.until.get(0))
    }

    pub async fn find(&mut self, event: &Event) -> Result<Found> {
        let Some(log) = self.log.clone() else {
            return Ok(Found::Nothing);
        };
        if self.until.iter().all(|last| last.entry_id == EntryId::MIN) {
            return Ok(Found::Nothing);
        }
        let session = self.session(&log, &event.session_id).await?;
        let Some(&known) = session.known.get(event.id.as_str()) else {
            return Ok(Found::Nothing);
        };
        if known.content == content(event) {
            return Ok(Found::Same);
        }
        // Written in another way, perhaps: the log has the last word.
        let same = match body(&log, known.position).await? {
            Some(Body::Event(held)) => same_content(&held, event),
            _ => false,
        };
        Ok(if same {
            Found::Same
        } else {
            Found::Other(known.position)
        })
    }

    /// Whether the log holds exactly these fields under `id`.
    pub async fn holds_fields(&self, id: EntryId, fields: &[Field]) -> Result<bool> {
        let Some(log) = &self.log else {
            return Ok(false);
        };
        let decoded = codec::decode(id, fields.to_vec());
        for last in self.until.iter().filter(|last| id <= last.entry_id) {
            let position = Position {
                entry_id: id,
                ..last
            };
            if body(log, position).await?.as_ref() == Some(&decoded) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn session(&mut self, log: &Recount, id: &str) -> Result<&Session> {
        self.clock += 1;
        if !self.sessions.contains_key(id) {
            let session = self.load(log, id).await?;
            self.make_room(session.known.len());
            self.ids += session.known.len();
            self.sessions.insert(id.to_owned(), session);
        }
        let session = self.sessions.get_mut(id).expect("it was put there above");
        session.used = self.clock;
        Ok(session)
    }

    async fn load(&self, log: &Recount, id: &str) -> Result<Session> {
        let mut known = HashMap::new();
        let mut events = log.session(id).events().up_to(&self.until);
        while let Some(recorded) = events.next().await? {
            if let Some(event) = recorded.event() {
                let found = Known {
                    position: recorded.position,
                    content: content(event),
                };
                known.insert(event.id.as_str().into(), found);
            }
        }
        Ok(Session { known, used: 0 })
    }

    /// Forgets the sessions that were not asked for longest. An empty session counts as one id.
    fn make_room(&mut self, ids: usize) {
        while !self.sessions.is_empty() && self.ids + self.sessions.len() + ids > IDS_MAX {
            // Half of them at a time, so that looking for them costs little for each.
            let mut uses: Vec<u64> = self.sessions.values().map(|session| session.used).collect();
            let middle = uses.len() / 2;
            let (_, &mut bound, _) = uses.select_nth_unstable(middle);
            self.sessions.retain(|_, session| session.used > bound);
            self.ids = self
                .sessions
                .values()
                .map(|session| session.known.len())
                .sum();
        }
    }
}

async fn body(log: &Recount, position: Position) -> Result<Option<Body>> {
    let Position {
        partition,
        entry_id,
    } = position;
    let ids = IdRange {
        start: Bound::Included(entry_id),
        end: Bound::Included(entry_id),
    };
    let range = ReadRange {
        partition,
        ..ReadRange::new(ids).limit(1)
    };
    let page = log.log().read(&range).await.map_err(Failure::from)?;
    Ok(page
        .entries
        .into_iter()
        .next()
        .map(|recorded| recorded.body))
}

/// A hash of all that two equal events have in common, bytes as they stand.
fn content(event: &Event) -> u64 {
    let mut hasher = SipHasher13::new();
    let mut part = |bytes: &[u8]| {
        hasher.write(&(bytes.len() as u64).to_le_bytes());
        hasher.write(bytes);
    };
    part(event.event_type.as_str().as_bytes());
    part(event.session_id.as_bytes());
    for (_, id) in event.optional_ids() {
        part(id.unwrap_or("").as_bytes());
    }
    part(&event.version.to_le_bytes());
    part(&event.timestamp.as_millis().to_le_bytes());
    part(event.data.as_bytes());
    hasher.finish()
}
