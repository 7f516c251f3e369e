//! One task publishes, another one follows the log and prints what it sees there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use recount::demo::Step;
use recount::{EntryId, EventId, Outcome, Recorded, Recount, StartFrom};

use super::paint::Paint;
use crate::cli::error::{Failure, Result};
use crate::cli::output::{Output, pad};

/// What the tail has seen of this demo.
pub(super) struct Shown {
    /// The entries of the first and the last event.
    pub first: EntryId,
    pub last: EntryId,
    /// From publishing an event until it was seen, durable, by the tail; shortest first.
    pub delays: Vec<Duration>,
}

/// When each event was handed to the log.
type Published = Arc<Mutex<HashMap<EventId, Instant>>>;

pub(super) async fn show(
    log: &Recount,
    steps: Vec<Step>,
    seed: u64,
    paint: &Paint,
    output: &mut Output,
) -> Result<Shown> {
    output.line(paint.heading(
        "LIVE",
        &format!("a support desk, seed {seed}: one task records, another follows the log"),
    ))?;
    output.flush()?;

    let mut tail = log.tail(StartFrom::End).await?;
    let events = steps.len();
    let widths = Widths::of(&steps);
    let published = Published::default();
    let mut recording = tokio::spawn(publish(log.clone(), steps, published.clone()));

    let mut so_far = Shown {
        first: EntryId::MAX,
        last: EntryId::MIN,
        delays: Vec::with_capacity(events),
    };
    let mut running = true;
    while so_far.delays.len() < events {
        let recorded = tokio::select! {
            recorded = tail.next() => recorded?,
            ended = &mut recording, if running => {
                running = false;
                ended.map_err(|error| Failure::new(format!("recording: {error}")))??;
                continue;
            }
        };
        // Others may use the stream too.
        let Some(delay) = delay(&published, &recorded) else {
            continue;
        };
        so_far.first = so_far.first.min(recorded.position.entry_id);
        so_far.last = so_far.last.max(recorded.position.entry_id);
        so_far.delays.push(delay);
        let since = recorded.position.entry_id.ms - so_far.first.ms;
        let before = format!("{:6.3}", since as f64 / 1000.0);
        output.line(paint.event(&before, &recorded, &widths.columns(&recorded)))?;
        output.flush()?;
    }
    so_far.delays.sort_unstable();
    Ok(so_far)
}

/// Records each event at its time.
async fn publish(log: Recount, steps: Vec<Step>, published: Published) -> Result {
    let began = tokio::time::Instant::now();
    for step in steps {
        tokio::time::sleep_until(began + step.at).await;
        let id = step.event.id.clone();
        published
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, Instant::now());
        let outcome = log.record(step.event).await?;
        if !matches!(outcome, Outcome::Appended { .. }) {
            return Err(Failure::new(
                "this very demo is in the log already: run it again with another --seed",
            ));
        }
    }
    Ok(())
}

fn delay(published: &Published, recorded: &Recorded) -> Option<Duration> {
    let mut published = published.lock().unwrap_or_else(PoisonError::into_inner);
    Some(published.remove(&recorded.event()?.id)?.elapsed())
}

/// The widths of the session and user columns.
struct Widths {
    session: usize,
    user: usize,
}

impl Widths {
    fn of(steps: &[Step]) -> Self {
        let widest = |of: fn(&Step) -> usize| steps.iter().map(of).max().unwrap_or(0);
        Self {
            session: widest(|step| step.event.session_id.len()),
            user: widest(|step| step.event.user_id.as_ref().map_or(0, String::len)),
        }
    }

    fn columns(&self, recorded: &Recorded) -> [String; 2] {
        let event = recorded.event();
        let session = event.map_or("", |event| event.session_id.as_str());
        let user = event
            .and_then(|event| event.user_id.as_deref())
            .unwrap_or("");
        [pad(session, self.session), pad(user, self.user)]
    }
}
