//! Effects that happen once, although deliveries happen at least once.

use async_trait::async_trait;

use crate::{Handler, HandlerError, Message};

/// A handler whose effects happen once for each entry: effectively once.
///
/// An entry can come again: a process died after it had handled it and before that was acknowledged, or an
/// owner that was taken for dead finished late. `Once` keeps the key of every handled entry
/// ([`Message::key`]) beside what the handler wrote, in **one transaction of one database**. Either
/// both are there, and when the entry comes again it is acknowledged without calling the handler, or neither is, and the
/// handler runs as if for the first time.
///
/// **What this guarantees:** what the handler writes through the transaction it is given is in the
/// database once for each entry that was acknowledged, whatever crashes, and whoever else handles the
/// same entry at the same time.
///
/// **What it does not:**
///
/// * Nothing else that the handler does is undone: a mail it sends, a request it makes, a file it writes may happen
///   again. Let it write down what is to be sent, and have that sent by something that can tell duplicates by
///   the key.
/// * An event that a producer published twice *under two ids* is two entries. Publishing is idempotent by event id.
/// * The database is as durable as it is. If it is set back to a backup, entries acknowledged since
///   are not handled again by themselves: set the group back too. The keys tell what is done.
/// * A key names group, partition and entry, not the stream: a ledger is one stream's.
///
/// The order of a session is kept as without it. Keys of entries that the group has acknowledged, all those below its
/// oldest pending one and its position, can be deleted; a group that is set back past them handles them again.
///
/// A worked example on `SQLite` is `effectively_once_sqlite.rs`, among the examples of the crate `recount`.
#[derive(Debug, Clone)]
pub struct Once<L, H> {
    ledger: L,
    handler: H,
}

/// Where effects are kept, with the keys of what caused them.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// A transaction. Dropping it undoes what was written in it.
    type Transaction: Send;

    /// Begins a transaction for the entry called `key`; none if one of that key was committed before.
    ///
    /// Of two transactions of one key that are open at the same time, one at most may be committed: let the second
    /// wait here, or fail to commit.
    async fn begin(&self, key: &str) -> Result<Option<Self::Transaction>, HandlerError>;

    /// Stores `key` and what was written in the transaction: both, or neither. Whether they are stored is not known
    /// if this fails, and the next [`Ledger::begin`] finds out.
    async fn commit(&self, key: &str, transaction: Self::Transaction) -> Result<(), HandlerError>;
}

/// A handler that writes its effects in a transaction.
#[async_trait]
pub trait Effect<L: Ledger>: Send + Sync + 'static {
    /// Writes what follows from an entry. On `Ok` it is committed, then the entry is acknowledged; an error
    /// undoes it, and means what it means of a [`Handler`].
    async fn apply(
        &self,
        message: &Message,
        transaction: &mut L::Transaction,
    ) -> Result<(), HandlerError>;
}

impl<L: Ledger, H: Effect<L>> Once<L, H> {
    /// Lets `handler` write to `ledger`, once for each entry.
    pub fn new(ledger: L, handler: H) -> Self {
        Self { ledger, handler }
    }

    /// Where the effects are.
    pub fn ledger(&self) -> &L {
        &self.ledger
    }
}

#[async_trait]
impl<L: Ledger, H: Effect<L>> Handler for Once<L, H> {
    async fn handle(&self, message: &Message) -> Result<(), HandlerError> {
        let key = message.key();
        let Some(mut transaction) = self.ledger.begin(&key).await? else {
            return Ok(());
        };
        self.handler.apply(message, &mut transaction).await?;
        self.ledger.commit(&key, transaction).await
    }
}
