//! Bare commands over the client that Recount uses, set up as Recount sets it up.

use std::net::Ipv4Addr;

use recount_core::{EntryId, Event, codec};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, Pipeline, RedisConnectionInfo, Value};
use tokio::net::TcpStream;

use crate::Failure;
use crate::ours::STREAM;

/// A connection that any number of tasks share.
#[derive(Clone)]
pub struct Client {
    connection: MultiplexedConnection,
}

impl Client {
    /// Connects to the server at `port` of this machine.
    pub async fn connect(port: u16) -> Result<Self, Failure> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.set_nodelay(true)?;
        let bare = RedisConnectionInfo::default().set_skip_set_lib_name();
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let (connection, driver) =
            MultiplexedConnection::new_with_config(&bare, stream, config).await?;
        tokio::spawn(driver);
        Ok(Self { connection })
    }

    /// Sends a command and waits for its answer.
    pub async fn ask(&self, command: &Cmd) -> Result<Value, Failure> {
        match self.connection.clone().send_packed_command(command).await? {
            Value::ServerError(error) => Err(format!("the server says {error:?}").into()),
            value => Ok(value),
        }
    }

    /// Sends commands in one pipeline and waits for all answers.
    pub async fn ask_all(&self, commands: &[Cmd]) -> Result<Vec<Value>, Failure> {
        let mut pipeline = Pipeline::with_capacity(commands.len());
        for command in commands {
            pipeline.add_command(command.clone());
        }
        let mut connection = self.connection.clone();
        let answers = connection
            .send_packed_commands(&pipeline, 0, commands.len())
            .await?;
        for answer in &answers {
            if let Value::ServerError(error) = answer {
                return Err(format!("the server says {error:?}").into());
            }
        }
        Ok(answers)
    }

    /// The same where the answer is text.
    pub async fn text(&self, command: &Cmd) -> Result<String, Failure> {
        Ok(::redis::from_redis_value(self.ask(command).await?)?)
    }

    /// What the server says of itself.
    pub async fn info(&self) -> Result<String, Failure> {
        self.text(::redis::cmd("INFO").arg("all")).await
    }

    /// Adds events by `XADD`, in one pipeline, with the fields that Recount gives them.
    pub async fn add(&self, events: &[Event]) -> Result<(), Failure> {
        if let [event] = events {
            let id = self.ask(&xadd(event)).await?;
            return check_id(&id);
        }
        let mut pipeline = Pipeline::with_capacity(events.len());
        for event in events {
            pipeline.add_command(xadd(event));
        }
        let mut connection = self.connection.clone();
        let ids = connection
            .send_packed_commands(&pipeline, 0, events.len())
            .await?;
        if ids.len() != events.len() {
            return Err(format!("{} ids for {} events", ids.len(), events.len()).into());
        }
        ids.iter().try_for_each(check_id)
    }

    /// The first `count` entries from `from` on, as they come.
    pub async fn range(&self, from: EntryId, count: usize) -> Result<Vec<Value>, Failure> {
        let mut command = ::redis::cmd("XRANGE");
        command
            .arg(STREAM)
            .arg(from.to_string())
            .arg("+")
            .arg("COUNT")
            .arg(count);
        match self.ask(&command).await? {
            Value::Array(entries) => Ok(entries),
            other => Err(format!("XRANGE is answered with {other:?}").into()),
        }
    }
}

/// The id of an entry that `XRANGE` listed.
pub fn entry_id(entry: &Value) -> Result<EntryId, Failure> {
    let id = match entry {
        Value::Array(pair) => match pair.first() {
            Some(Value::BulkString(id)) => std::str::from_utf8(id)?.parse().ok(),
            _ => None,
        },
        _ => None,
    };
    id.ok_or_else(|| "an entry without an id".into())
}

fn xadd(event: &Event) -> Cmd {
    let mut command = ::redis::cmd("XADD");
    command.arg(STREAM).arg("*");
    for (name, value) in codec::encode(event) {
        command.arg(&name[..]).arg(&value[..]);
    }
    command
}

fn check_id(reply: &Value) -> Result<(), Failure> {
    match reply {
        Value::BulkString(_) => Ok(()),
        other => Err(format!("XADD is answered with {other:?}").into()),
    }
}
