//! Opening a connection: TCP, TLS, login.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::socket2::{SockRef, TcpKeepalive};
use redis::{AsyncConnectionConfig, Cmd, Pipeline, RedisConnectionInfo, RedisError, Value};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::failure::{Failure, Problem};
use crate::url::Address;

/// How connections to one kind of server are opened.
#[derive(Clone)]
pub(super) struct Opener {
    pub(super) login: Login,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) connect_timeout: Duration,
}

/// Who logs in, where to.
#[derive(Clone)]
pub(super) struct Login {
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) db: u32,
    /// Where the password comes from, for the error that says it is wrong.
    pub(super) source: &'static str,
}

/// An open connection. The socket is closed when the last holder drops it.
pub(super) struct Link {
    connection: MultiplexedConnection,
    alive: Arc<AtomicBool>,
    driver: AbortHandle,
}

impl Link {
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
        let sent = self.connection.clone().send_packed_command(command).await;
        self.check(sent)
    }

    /// Sends the commands together: one value each, errors among them.
    pub(super) async fn send_all(&self, commands: &Pipeline) -> Result<Vec<Value>, RedisError> {
        let mut connection = self.connection.clone();
        let sent = connection
            .send_packed_commands(commands, 0, commands.len())
            .await;
        self.check(sent)
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
                    format!("no answer within {limit:?}"),
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

impl Opener {
    /// Opens and logs in, within the connect timeout. `shown` is the address as people write it.
    pub(super) async fn open(&self, address: &Address, shown: &str) -> Result<Link, Failure> {
        let limit = self.connect_timeout;
        let opening = async {
            let stream = connect(address, shown).await?;
            let link = match &self.tls {
                None => start(stream, shown).await?,
                Some(config) => {
                    let stream = secure(stream, config, address, shown).await?;
                    start(stream, shown).await?
                }
            };
            self.log_in(&link, address, shown).await?;
            Ok(link)
        };
        match timeout(limit, opening).await {
            Ok(opened) => opened,
            Err(_) => Err(Failure::unreachable(
                shown,
                format!(
                    "no connection within {limit:?}: check host and port, whether a firewall is in between, and {}",
                    match self.tls {
                        Some(_) => "whether this port speaks TLS (else write redis://)",
                        None => "whether the server answers: redis-cli ping",
                    }
                ),
            )),
        }
    }

    /// What to check of a server that takes a connection and then closes it.
    fn speaks(&self, address: &Address) -> String {
        match self.tls {
            None => format!(
                "does this port speak TLS? then write rediss://; else {}",
                ping(address)
            ),
            Some(_) => {
                "does the server ask for a client's certificate? then add cert=FILE&key=FILE to the URL".to_owned()
            }
        }
    }

    /// The PING shows that a Redis answers, and that it lets us in.
    async fn log_in(&self, link: &Link, address: &Address, shown: &str) -> Result<(), Failure> {
        let Login {
            user, password, db, ..
        } = &self.login;
        let mut hello = Pipeline::new();
        let logs_in = user.is_some() || password.is_some();
        if logs_in {
            let auth = hello.cmd("AUTH");
            if let Some(user) = user {
                auth.arg(user);
            }
            auth.arg(password.as_deref().unwrap_or_default());
        }
        if *db != 0 {
            hello.cmd("SELECT").arg(*db);
        }
        hello.cmd("PING");
        let answers = link.send_all(&hello).await.map_err(|error| {
            let said = reason(&error);
            Failure::unreachable(
                shown,
                format!(
                    "the connection broke at login: {said}; {}",
                    self.speaks(address)
                ),
            )
        })?;
        for (index, answer) in answers.iter().enumerate() {
            if let Value::ServerError(error) = answer {
                let failure = Failure::answered(shown, error);
                self.check_login(failure, logs_in && index == 0)?;
            }
        }
        Ok(())
    }

    /// Whether what a command at login, perhaps AUTH, was answered stands in the way.
    fn check_login(&self, failure: Failure, of_auth: bool) -> Result<(), Failure> {
        let Problem::Server { code, message } = &failure.problem else {
            return Err(failure);
        };
        let source = self.login.source;
        let hint = match code.as_str() {
            // Another command may be allowed, and these pass: the calls deal with them.
            "NOPERM" | "LOADING" | "MASTERDOWN" | "BUSY" | "MISCONF" => return Ok(()),
            "NOAUTH" => format!("it wants a password: give it in {source}"),
            "WRONGPASS" => {
                format!(
                    "the user or the password is wrong, or the user is off: they come from {source}"
                )
            }
            "ERR" if of_auth && message.contains("without any password") => {
                format!("it knows no password for the user: they come from {source}")
            }
            _ if of_auth => {
                // The server may repeat what it was sent, so its words are left out.
                let message = format!("AUTH is refused; user and password come from {source}");
                return Err(Failure::server(&failure.address, code, message));
            }
            _ => return Err(failure),
        };
        Err(Failure::server(
            &failure.address,
            code,
            format!("{}; {hint}", message.trim_end_matches('.')),
        ))
    }
}

async fn connect(address: &Address, shown: &str) -> Result<TcpStream, Failure> {
    let stream = TcpStream::connect((address.host.as_str(), address.port))
        .await
        .map_err(|error| cannot_connect(address, shown, &error))?;
    let settle = || {
        stream.set_nodelay(true)?;
        // Answers to blocking reads may take any time, so the system has to notice a host that is gone.
        let keepalive = TcpKeepalive::new()
            .with_time(Duration::from_secs(15))
            .with_interval(Duration::from_secs(5));
        SockRef::from(&stream).set_tcp_keepalive(&keepalive)
    };
    settle().map_err(|error: io::Error| cannot_connect(address, shown, &error))?;
    Ok(stream)
}

async fn secure(
    stream: TcpStream,
    config: &Arc<ClientConfig>,
    address: &Address,
    shown: &str,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Failure> {
    let refused = |error: &dyn std::fmt::Display| {
        Failure::unreachable(
            shown,
            format!(
                "TLS failed: {error}; check that this port speaks TLS, that the certificate is made out to {}, and that its authority is trusted (?ca=FILE)",
                address.host
            ),
        )
    };
    let name = ServerName::try_from(address.host.clone()).map_err(|error| refused(&error))?;
    TlsConnector::from(config.clone())
        .connect(name, stream)
        .await
        .map_err(|error| refused(&error))
}

async fn start<S>(stream: S, shown: &str) -> Result<Link, Failure>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    // No login and no name: nothing is sent yet. Time limits are ours, a call's own.
    let bare = RedisConnectionInfo::default().set_skip_set_lib_name();
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None);
    let (connection, driver) = MultiplexedConnection::new_with_config(&bare, stream, config)
        .await
        .map_err(|error| Failure::unreachable(shown, reason(&error)))?;
    let alive = Arc::new(AtomicBool::new(true));
    let running = alive.clone();
    let driver = tokio::spawn(async move {
        driver.await;
        running.store(false, Ordering::Release);
    });
    Ok(Link {
        connection,
        alive,
        driver: driver.abort_handle(),
    })
}

fn cannot_connect(address: &Address, shown: &str, error: &io::Error) -> Failure {
    let message = match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            format!(
                "connection refused: nothing listens there; {}",
                ping(address)
            )
        }
        _ => format!("cannot connect: {error}; {}", ping(address)),
    };
    Failure::unreachable(shown, message)
}

fn ping(address: &Address) -> String {
    format!(
        "is it running? redis-cli -h {} -p {} ping",
        address.host, address.port
    )
}

/// What a broken connection says of itself. The library's errors hold no arguments of commands.
pub(super) fn reason(error: &RedisError) -> String {
    if error.is_connection_dropped() {
        "the server closed it".to_owned()
    } else {
        error.to_string()
    }
}
