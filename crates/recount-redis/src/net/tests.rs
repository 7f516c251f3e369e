//! Against real servers, and against fakes that say what real ones say rarely.

mod fake;
mod mistaken;
mod scripted;
mod servers;

use std::time::Duration;

use redis::{Cmd, Value, cmd};

use super::*;

impl Default for NetOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            deadline: Duration::from_secs(10),
        }
    }
}

fn url(text: &str) -> RedisUrl {
    text.parse().unwrap()
}

async fn connect(text: &str) -> Net {
    Net::connect(&url(text), NetOptions::default())
        .await
        .unwrap()
}

/// For what is meant to fail in the end.
async fn connect_for(text: &str, deadline: Duration) -> Net {
    let options = NetOptions {
        deadline,
        ..NetOptions::default()
    };
    Net::connect(&url(text), options).await.unwrap()
}

async fn refused(text: &str) -> CallError {
    let connected = Net::connect(&url(text), NetOptions::default()).await;
    connected.err().expect("nothing should connect")
}

/// A command out of words.
fn words(text: &str) -> Cmd {
    let mut words = text.split(' ');
    let mut command = cmd(words.next().unwrap());
    for word in words {
        command.arg(word);
    }
    command
}

fn once(commands: &[Cmd]) -> Call<'_> {
    Call {
        repeat: Repeat::UnlessUnknown,
        ..Call::of(commands)
    }
}

/// Sends one command to the master of slot 0, as often as it takes.
async fn ask(net: &Net, text: &str) -> Result<Value, CallError> {
    net.ask(0, &words(text)).await
}

fn text(value: Value) -> String {
    redis::from_redis_value(value).unwrap()
}

fn unavailable(error: CallError) -> (String, String) {
    match error {
        CallError::Unavailable { address, message } => (address, message),
        other => panic!("{other} is not Unavailable"),
    }
}

fn code(error: CallError) -> String {
    match error {
        CallError::Server { code, .. } => code,
        other => panic!("{other} is no answer of a server"),
    }
}
