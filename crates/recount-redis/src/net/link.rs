//! An open connection that many requests share.

use std::future::{Future, ready};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisError, Value};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::failure::{Failure, rounded};

/// The socket is closed when the last holder drops it.
pub(super) struct Link {
    connection: MultiplexedConnection,
    alive: Arc<AtomicBool>,
    driver: AbortHandle,
    /// Closed once nobody reads and writes the connection any more.
    driven: watch::Receiver<()>,
}

impl Link {
    /// A connection that `driver` reads and writes, in a task of its own.
    pub(super) fn new(
        connection: MultiplexedConnection,
        driver: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let alive = Arc::new(AtomicBool::new(true));
        let (driving, driven) = watch::channel(());
        let running = alive.clone();
        let driver = tokio::spawn(async move {
            // However the task ends, this is dropped after the driver.
            let _driving = driving;
            driver.await;
            running.store(false, Ordering::Release);
        });
        Self {
            connection,
            alive,
            driver: driver.abort_handle(),
            driven,
        }
    }

    /// Whether another request is worth sending over it.
    pub(super) fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }

    /// Nobody new uses it.
    pub(super) fn give_up(&self) {
        self.alive.store(false, Ordering::Release);
    }

    /// Sends one command and waits for its answer, however long that takes.
    pub(super) async fn send(&self, command: &Cmd) -> Result<Value, RedisError> {
        let mut connection = self.connection.clone();
        let sent = pin!(connection.send_packed_command(command));
        self.answered(sent).await
    }

    /// Sends the commands together: one value each, errors among them.
    pub(super) async fn send_all(&self, commands: &Pipeline) -> Result<Vec<Value>, RedisError> {
        let mut connection = self.connection.clone();
        let sent = pin!(connection.send_packed_commands(commands, 0, commands.len()));
        self.answered(sent).await
    }

    /// Waits for an answer as long as one can come.
    ///
    /// A request that is handed to the driver in the very moment in which it ends is neither sent nor
    /// refused: the channel between them keeps it, and its caller would wait for ever.
    async fn answered<T>(
        &self,
        mut sent: Pin<&mut impl Future<Output = Result<T, RedisError>>>,
    ) -> Result<T, RedisError> {
        let mut driven = self.driven.clone();
        let outcome = tokio::select! {
            biased;
            outcome = sent.as_mut() => outcome,
            _ = driven.changed() => tokio::select! {
                biased;
                // What the driver did last may have been to hand over this answer.
                outcome = sent => outcome,
                () = ready(()) => Err(io::Error::from(io::ErrorKind::ConnectionReset).into()),
            },
        };
        self.check(outcome)
    }

    /// Asks a server about itself.
    pub(super) async fn ask(
        &self,
        command: &Cmd,
        limit: Duration,
        shown: &str,
    ) -> Result<Value, Failure> {
        match timeout(limit, self.send(command)).await {
            Ok(Ok(Value::ServerError(error))) => Err(Failure::answered(shown, &error)),
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(Failure::unreachable(
                shown,
                format!("the connection broke: {}", reason(&error)),
            )),
            Err(_) => {
                self.give_up();
                Err(Failure::unreachable(
                    shown,
                    format!("no answer within {:?}", rounded(limit)),
                ))
            }
        }
    }

    fn check<T>(&self, outcome: Result<T, RedisError>) -> Result<T, RedisError> {
        if outcome.is_err() {
            self.give_up();
        }
        outcome
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// What a broken connection says of itself. The library's errors hold no arguments of commands.
pub(super) fn reason(error: &RedisError) -> String {
    if error.is_connection_dropped() {
        "the server closed it".to_owned()
    } else {
        error.to_string()
    }
}

#[cfg(test)]
mod tests {
    use redis::{AsyncConnectionConfig, RedisConnectionInfo};

    use super::*;

    /// A driver that ends while it is handed a request neither sends nor refuses it. Here that moment lasts:
    /// the connection's own driver is kept and never run.
    #[tokio::test]
    async fn a_request_that_meets_the_end_of_its_connection_ends() {
        let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
        let stream = tokio::net::TcpStream::connect(listener.local_addr().unwrap());
        let stream = stream.await.unwrap();
        let (connection, _kept) = MultiplexedConnection::new_with_config(
            &RedisConnectionInfo::default().set_skip_set_lib_name(),
            stream,
            AsyncConnectionConfig::new(),
        )
        .await
        .unwrap();
        let link = Link::new(connection, async {});
        let looking = async {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        };
        let mut ping = Pipeline::new();
        ping.cmd("PING").cmd("PING");
        let ping_once = redis::cmd("PING");
        tokio::select! {
            biased;
            (one, two) = async { tokio::join!(link.send(&ping_once), link.send_all(&ping)) } => {
                assert_eq!(reason(&one.unwrap_err()), "the server closed it");
                assert_eq!(reason(&two.unwrap_err()), "the server closed it");
            }
            () = looking => panic!("the requests wait for an answer that cannot come"),
        }
        assert!(!link.is_alive());
    }
}
