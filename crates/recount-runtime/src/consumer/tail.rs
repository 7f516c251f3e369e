//! One wait for new entries, shared by all consumers of a log in this process.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Weak};

use parking_lot::Mutex;
use recount_core::{Cursor, EventLog, ReadError};
use tokio::sync::{Mutex as Turn, watch};

/// Waits for new entries of a log, however many ask, with one [`EventLog::wait`].
///
/// Whoever comes first waits for all; when it gives up, another one takes over. Nothing runs while nobody
/// waits.
pub(super) struct SharedTail {
    log: Arc<dyn EventLog>,
    /// Held by whoever waits for all.
    lead: Turn<()>,
    /// Where the one who waits for all waits, and how many waits found something.
    state: watch::Sender<Lead>,
}

#[derive(Default)]
struct Lead {
    after: Option<Cursor>,
    found: u64,
}

/// By the address of the log, which is taken for as long as its tail lives.
static TAILS: LazyLock<Mutex<HashMap<usize, Weak<SharedTail>>>> = LazyLock::new(Mutex::default);

impl SharedTail {
    /// The one of `log`.
    pub fn of(log: &Arc<dyn EventLog>) -> Arc<Self> {
        let address = Arc::as_ptr(log).cast::<()>() as usize;
        let mut tails = TAILS.lock();
        if let Some(tail) = tails.get(&address).and_then(Weak::upgrade) {
            return tail;
        }
        tails.retain(|_, tail| tail.strong_count() > 0);
        let tail = Arc::new(Self {
            log: Arc::clone(log),
            lead: Turn::default(),
            state: watch::Sender::default(),
        });
        tails.insert(address, Arc::downgrade(&tail));
        tail
    }

    /// As [`EventLog::wait`], but may also return with nothing new.
    pub async fn wait(&self, cursor: &Cursor) -> Result<(), ReadError> {
        let mut told = self.state.subscribe();
        let found = told.borrow().found;
        loop {
            let behind = {
                let lead = told.borrow_and_update();
                if lead.found != found {
                    return Ok(());
                }
                let after = lead.after.as_ref();
                after.is_some_and(|after| !reaches(cursor, after))
            };
            if behind {
                // What it lacks may be there already: the common wait is for less.
                return self.log.wait(cursor).await;
            }
            tokio::select! {
                _lead = self.lead.lock() => {
                    if self.state.borrow().found != found {
                        return Ok(());
                    }
                    return self.wait_for_all(cursor).await;
                }
                // The sender lives as long as `self`.
                _ = told.changed() => {}
            }
        }
    }

    async fn wait_for_all(&self, cursor: &Cursor) -> Result<(), ReadError> {
        let _leading = Leading::begin(&self.state, cursor);
        self.log.wait(cursor).await?;
        self.state.send_modify(|lead| lead.found += 1);
        Ok(())
    }
}

/// Tells the others where the one who leads waits, for as long as it does.
struct Leading<'a>(&'a watch::Sender<Lead>);

impl<'a> Leading<'a> {
    fn begin(state: &'a watch::Sender<Lead>, cursor: &Cursor) -> Self {
        state.send_modify(|lead| lead.after = Some(cursor.clone()));
        Self(state)
    }
}

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|lead| lead.after = None);
    }
}

/// Whether `cursor` is nowhere before `after`.
fn reaches(cursor: &Cursor, after: &Cursor) -> bool {
    after
        .iter()
        .all(|position| cursor.get(position.partition) >= position.entry_id)
}
