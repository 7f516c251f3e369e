//! Adding a letter.

use std::fmt::Write as _;
use std::sync::Arc;

use recount_core::{
    AppendError, Event, EventId, EventLog, EventType, InvalidEvent, Outcome, Position, Recorded,
    Timestamp,
};

use super::letter::{Attempt, Letter, LetterState, NewLetter};
use super::wire::{ADDED, Written, id};
use super::{DeadError, DeadLetters, entry};

/// Bytes of an error's text that a letter keeps.
const ERROR_BYTES_MAX: usize = 1024;

impl DeadLetters {
    pub(super) async fn added(&self, new: NewLetter) -> Result<(), DeadError> {
        // Rounds that the log remembers although their events were trimmed.
        let mut taken = 0;
        loop {
            let (log, before) = self.before(new.position).await?;
            let last = before.as_ref().map_or(0, |letter| letter.round).max(taken);
            let letter = drafted(&new, last + 1, before);
            let outcome = self
                .append_fitting(&*log, letter, new.entry.as_ref())
                .await?;
            if matches!(outcome, Outcome::Appended { .. }) {
                return Ok(());
            }
            // Somebody else has added this round, after the look at the letters.
            taken = last + 1;
            if self.round(new.position).await? >= taken {
                return Ok(());
            }
        }
    }

    /// The letter of an entry so far.
    async fn before(
        &self,
        position: Position,
    ) -> Result<(Arc<dyn EventLog>, Option<Letter>), DeadError> {
        let (mut state, log) = self.writer().await?;
        let before = self.letter(&mut state, &*log, position).await?;
        Ok((log, before))
    }

    async fn round(&self, position: Position) -> Result<u32, DeadError> {
        let (state, _) = self.writer().await?;
        Ok(state.index.get(position).map_or(0, |known| known.round))
    }

    /// Appends a letter, with as much of it as the stream takes.
    async fn append_fitting(
        &self,
        log: &dyn EventLog,
        mut letter: Letter,
        entry: Option<&Recorded>,
    ) -> Result<Outcome, DeadError> {
        let steps: [fn(&mut Letter); 3] = [|_| {}, shorten, without_entry];
        let mut refused = None;
        for step in steps {
            step(&mut letter);
            let event = event(&letter, entry).map_err(|reason| self.illegal(&letter, reason))?;
            match log.append(event.into()).await {
                // One outcome an event is the contract of append.
                Ok(receipt) => return Ok(receipt.outcomes[0]),
                Err(error) if is_too_large(&error) => refused = Some(error),
                Err(error) => return Err(self.append_error(error)),
            }
        }
        Err(self.append_error(refused.unwrap_or(AppendError::Closed)))
    }

    pub(super) fn illegal(&self, letter: &Letter, reason: InvalidEvent) -> DeadError {
        let id = EventId::new(id("dead", letter.position, letter.round));
        self.append_error(AppendError::InvalidEvent {
            index: 0,
            id: id.unwrap_or_else(|_| EventId::generate()),
            reason,
        })
    }
}

/// The letter that `new` makes after those that were `before`.
fn drafted(new: &NewLetter, round: u32, before: Option<Letter>) -> Letter {
    let event = new.entry.as_ref().and_then(Recorded::event);
    let session_id = event.map(|event| event.session_id.clone());
    let mut attempts = before.map_or_else(Vec::new, |letter| letter.attempts);
    for attempt in &new.attempts {
        let attempt = Attempt {
            error: cut(&attempt.error),
            ..attempt.clone()
        };
        if !attempts.contains(&attempt) {
            attempts.push(attempt);
        }
    }
    let dropped = attempts.len().saturating_sub(Letter::ATTEMPTS_MAX);
    attempts.drain(..dropped);
    Letter {
        position: new.position,
        state: LetterState::Open,
        round,
        retries: 0,
        // Entries of no session, and of illegal ones, keep to themselves.
        session_id: session_id.filter(|session| EventId::new(&**session).is_ok()),
        reason: new.reason,
        error: cut(&new.error),
        attempts,
        consumer: cut(&new.consumer),
        delivery_count: new.delivery_count,
        first_delivered: new.first_delivered,
        dead_at: Timestamp::now(),
        entry: new.entry.as_ref().map(entry::line),
    }
}

fn shorten(letter: &mut Letter) {
    let dropped = letter.attempts.len().saturating_sub(1);
    letter.attempts.drain(..dropped);
}

fn without_entry(letter: &mut Letter) {
    if let Some(line) = letter.entry.take() {
        let bytes = line.len();
        // Writing into a string cannot fail.
        let _ = write!(
            letter.error,
            " (the entry, {bytes} bytes as JSON, was too large for the stream of dead letters: read it at its position)"
        );
    }
}

fn is_too_large(error: &AppendError) -> bool {
    match error {
        AppendError::InvalidEvent { reason, .. } => matches!(reason, InvalidEvent::TooLarge { .. }),
        AppendError::TooManyBytes { .. } => true,
        _ => false,
    }
}

/// The event that adds `letter`: of the session, the user and the trace of its entry.
fn event(letter: &Letter, entry: Option<&Recorded>) -> Result<Event, InvalidEvent> {
    let id = id("dead", letter.position, letter.round);
    let Position {
        partition,
        entry_id,
    } = letter.position;
    let home = letter
        .session_id
        .clone()
        .unwrap_or_else(|| format!("dead:{partition}:{entry_id}"));
    let mut event = Event::builder(EventType::Custom(ADDED.into()), home)
        .id(id)
        .timestamp(letter.dead_at)
        .data(Written::data(letter));
    if let Some(original) = entry.and_then(Recorded::event) {
        event = event.causation(original.id.as_str());
        for (name, value) in original.optional_ids() {
            event = match (name, value.filter(|id| EventId::new(*id).is_ok())) {
                ("user_id", Some(user)) => event.user(user),
                ("agent_id", Some(agent)) => event.agent(agent),
                ("trace_id", Some(trace)) => event.trace(trace),
                _ => event,
            };
        }
    }
    event.build()
}

/// A text that is not too long for a letter.
fn cut(text: &str) -> String {
    if text.len() <= ERROR_BYTES_MAX {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(ERROR_BYTES_MAX);
    format!("{}...", &text[..end])
}
