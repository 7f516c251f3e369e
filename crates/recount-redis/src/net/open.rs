//! Opening a connection: TCP, TLS, login.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::socket2::{SockRef, TcpKeepalive};
use redis::{AsyncConnectionConfig, Pipeline, RedisConnectionInfo, Value};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::failure::{Failure, Problem};
use super::link::{Link, reason};
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

impl Opener {
    /// Opens and logs in, within the connect timeout. `shown` is the address as people write it.
    pub(super) async fn open(&self, address: &Address, shown: &str) -> Result<Link, Failure> {
        let limit = self.connect_timeout;
        let reached = AtomicBool::new(false);
        let opening = async {
            let stream = connect(address, shown).await?;
            reached.store(true, Ordering::Relaxed);
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
            Err(_) => {
                let message = match (reached.load(Ordering::Relaxed), &self.tls) {
                    (false, _) => format!(
                        "no connection within {limit:?}: check host and port, and whether a firewall is in between"
                    ),
                    (true, Some(_)) => format!(
                        "it takes the connection, but says nothing of TLS within {limit:?}: if this port speaks no TLS, \
                         write redis:// instead of rediss://"
                    ),
                    (true, None) => format!(
                        "it takes the connection, but does not answer within {limit:?}: it hangs, or is no Redis; try redis-cli -h {} -p {} ping",
                        address.host, address.port
                    ),
                };
                Err(Failure::unreachable(shown, message))
            }
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
            "ERR" if message.contains("DB index is out of range") => format!(
                "it has no database {}: the URL ends in its number, from 0 to 15 unless `databases` is set otherwise",
                self.login.db
            ),
            "ERR" if message.contains("SELECT is not allowed in cluster mode") => {
                "a cluster has database 0 only: name it as redis-cluster://host:port".to_owned()
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
    let found = lookup_host((address.host.as_str(), address.port)).await;
    let found: Vec<SocketAddr> = found
        .map_err(|error| {
            let message = format!(
                "the host name is not known here: {error}; is it spelt as it should be? getent hosts {}",
                address.host
            );
            Failure::unreachable(shown, message)
        })?
        .collect();
    let stream = TcpStream::connect(&found[..])
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
    Ok(Link::new(connection, driver))
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
