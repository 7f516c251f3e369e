//! What was said about something.

mod wide;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Instant;

use recount_core::EventType;
use recount_core::payload::SearchPerformed;
use serde_json::{Map, json};

use super::message::words_in;
use super::write::New;
use super::{Memory, MemoryError, Written};
use crate::StateMessage;

/// Messages of a session that a search looks through, the newest.
const SEARCHED_MAX: usize = 10_000;

/// Whose memories are searched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Scope {
    /// What is in the memory of this session: of a fork also what it shares with its parent.
    #[default]
    Session,
    /// The memories of all sessions, as far as their messages were recorded for the same user. It needs the index
    /// of texts, which is kept beside a log on disk or a mirror.
    User,
    /// Those of all sessions and users. It needs the index, too.
    All,
}

impl Scope {
    /// `session`, `user` or `all`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::User => "user",
            Self::All => "all",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = [Self::Session, Self::User, Self::All];
        let found = known.into_iter().find(|scope| scope.as_str() == text);
        found.ok_or_else(|| "write session, user or all".to_owned())
    }
}

/// A message that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The message, and where it is.
    pub message: StateMessage,
    /// How much it says about what was searched for (BM25), to be compared within one answer only.
    pub score: f32,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The best messages, the best first.
    pub hits: Vec<Hit>,
    /// Of how many messages it is known that they could not be searched: they were trimmed, or the session holds
    /// more than 10,000 newer ones. Always 0 for a wider scope, which finds what the log still has.
    pub left_out: u64,
    /// Where the search itself is recorded; none if it was only [`Memory::find`].
    pub recorded: Option<Written>,
}

impl Memory {
    /// The `n` messages that say most about any of the words of `query`, and a record of the search
    /// (`search.performed`).
    pub async fn search(&self, query: &str, n: usize, scope: Scope) -> Result<Found, MemoryError> {
        let begun = Instant::now();
        let found = self.find(query, n, scope).await?;
        let performed = SearchPerformed {
            query: Some(query.to_owned()),
            results_count: Some(found.hits.len() as u64),
            // To the microsecond.
            duration_ms: Some(begun.elapsed().as_micros() as f64 / 1_000.0),
            other: Map::from_iter([("scope".to_owned(), json!(scope.as_str()))]),
        };
        let recorded = self
            .write(New::of(EventType::SearchPerformed, performed))
            .await?;
        Ok(Found {
            recorded: Some(recorded),
            ..found
        })
    }

    /// As [`Memory::search`], and nothing is recorded: it works on a log that is open for reading only.
    pub async fn find(&self, query: &str, n: usize, scope: Scope) -> Result<Found, MemoryError> {
        if !query.chars().any(char::is_alphanumeric) {
            return Err(MemoryError::NoWords {
                query: query.to_owned(),
            });
        }
        match scope {
            Scope::Session => self.find_here(query, n).await,
            Scope::User => {
                let user = self.whose().await?;
                self.find_wide(query, n, Some(user)).await
            }
            Scope::All => self.find_wide(query, n, None).await,
        }
    }

    async fn find_here(&self, query: &str, n: usize) -> Result<Found, MemoryError> {
        let state = self.now().await?.state;
        let there = self.session.messages(&state, SEARCHED_MAX).await?;
        let texts: Vec<Cow<'_, str>> = there
            .messages
            .iter()
            .map(|message| words_in(&message.message))
            .collect();
        let texts: Vec<&str> = texts.iter().map(|text| &**text).collect();
        let hit = |(at, score): (usize, f32)| Hit {
            message: there.messages[at].clone(),
            score,
        };
        let hits = recount_views::rank(&texts, query, n)
            .into_iter()
            .map(hit)
            .collect();
        Ok(Found {
            hits,
            left_out: state
                .message_count
                .saturating_sub(there.messages.len() as u64),
            recorded: None,
        })
    }

    /// The user of this memory: the one it was given, or the last that the session names.
    async fn whose(&self) -> Result<String, MemoryError> {
        if let Some(user) = &self.user {
            return Ok(user.clone());
        }
        let user = self.now().await?.state.user_id;
        user.ok_or_else(|| MemoryError::NoUser {
            session_id: self.session.id().to_owned(),
        })
    }
}
