//! Effects that happen once: a bill in `SQLite` that counts every message exactly once, whatever crashes.
//!
//! ```text
//! cargo run --example effectively_once_sqlite -- bill.sqlite           # until Ctrl-C
//! cargo run --example effectively_once_sqlite -- bill.sqlite --again   # the whole stream once more
//! ```
//!
//! Delivery is at least once: kill this with `kill -9`, or set the group back with `--again`, and entries come that
//! were counted before. The key of every handled entry is stored **in the transaction that counts it**; what
//! comes again finds its key, and is acknowledged without counting. See [`recount::Once`] for what that
//! covers and what it does not: it covers this database, and not a mail that a handler sends.

use std::error::Error;
use std::sync::Arc;

use recount::config::Sources;
use recount::{
    Effect, EventType, GroupStart, HandlerError, Ledger, Message, Once, Recount, async_trait,
};
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::{Mutex, OwnedMutexGuard};

const GROUP: &str = "billing";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = Sources {
        variable: &|name| std::env::var_os(name), // RECOUNT_URL, RECOUNT_STREAM and the others
        ..Sources::default()
    };
    let config = settings.resolve()?.config;
    let (options, files): (Vec<_>, Vec<_>) = std::env::args()
        .skip(1)
        .partition(|argument| argument.starts_with("--"));
    let is_given = |option: &str| options.iter().any(|given| given == option);
    let bill = Sqlite::open(files.first().map_or("bill.sqlite", String::as_str))?;

    let recount = Recount::builder().config(config).open().await?;
    if is_given("--again") {
        let groups = recount.groups()?;
        groups.set_position(GROUP, &GroupStart::Start).await?;
    }
    let consumer = recount
        .consumer(GROUP)?
        .create_from(GroupStart::Start)
        .drain(is_given("--drain"))
        .start(Once::new(bill.clone(), CountMessages))
        .await?;
    let report = tokio::select! {
        report = consumer.finished() => report?,
        pressed = tokio::signal::ctrl_c() => {
            pressed?;
            consumer.stop().await?
        }
    };
    eprintln!("{} events came", report.metrics.handled);
    bill.print().await?;
    recount.close().await?;
    Ok(())
}

/// What follows from an event, in the database alone.
struct CountMessages;

#[async_trait]
impl Effect<Sqlite> for CountMessages {
    async fn apply(
        &self,
        message: &Message,
        transaction: &mut Transaction,
    ) -> Result<(), HandlerError> {
        let Some(event) = message.event() else {
            return Ok(());
        };
        if event.event_type == EventType::MessageAdded {
            let user = event.user_id.as_deref().unwrap_or("nobody");
            transaction.0.execute(
                "INSERT INTO bill (user, messages) VALUES (?1, 1)
                 ON CONFLICT (user) DO UPDATE SET messages = messages + 1",
                [user],
            )?;
        }
        Ok(())
    }
}

/// One connection: the database has one writer at a time anyway. Its calls are short, so they
/// are made where the handler runs.
#[derive(Clone)]
struct Sqlite(Arc<Mutex<Connection>>);

impl Sqlite {
    fn open(path: &str) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL;
             CREATE TABLE IF NOT EXISTS handled (key TEXT PRIMARY KEY) WITHOUT ROWID;
             CREATE TABLE IF NOT EXISTS bill (user TEXT PRIMARY KEY, messages INTEGER NOT NULL);",
        )?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    async fn print(&self) -> rusqlite::Result<()> {
        let connection = self.0.lock().await;
        let mut bill = connection.prepare("SELECT user, messages FROM bill ORDER BY user")?;
        let mut rows = bill.query([])?;
        while let Some(row) = rows.next()? {
            println!(
                "{:<20} {:>8}",
                row.get::<_, String>(0)?,
                row.get::<_, i64>(1)?
            );
        }
        Ok(())
    }
}

/// The connection, for as long as its transaction is open.
struct Transaction(OwnedMutexGuard<Connection>);

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.0.is_autocommit() {
            // If this fails too, the connection refuses the next transaction, and says why.
            let _ = self.0.execute_batch("ROLLBACK");
        }
    }
}

#[async_trait]
impl Ledger for Sqlite {
    type Transaction = Transaction;

    async fn begin(&self, key: &str) -> Result<Option<Transaction>, HandlerError> {
        let transaction = Transaction(Arc::clone(&self.0).lock_owned().await);
        // Takes the database's write lock at once: whoever else handles this entry, in whatever process, waits here.
        transaction.0.execute_batch("BEGIN IMMEDIATE")?;
        let done = transaction
            .0
            .query_row("SELECT 1 FROM handled WHERE key = ?1", [key], |_| Ok(()))
            .optional()?;
        Ok(done.is_none().then_some(transaction))
    }

    async fn commit(&self, key: &str, transaction: Transaction) -> Result<(), HandlerError> {
        let connection = &transaction.0;
        connection.execute("INSERT INTO handled (key) VALUES (?1)", [key])?;
        connection.execute_batch("COMMIT")?;
        Ok(())
    }
}
