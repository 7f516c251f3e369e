//! Against real servers, and against fakes that say what real ones say rarely.

mod fake;
mod mistaken;
mod scripted;
mod servers;

use std::time::Duration;

use redis::{Cmd, Value, cmd};

use super::*;

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

fn always(commands: &[Cmd]) -> Call<'_> {
    Call {
        commands,
        atomic: false,
        script: None,
        repeat: Repeat::Always,
        patience: None,
    }
}

fn once(commands: &[Cmd]) -> Call<'_> {
    Call {
        repeat: Repeat::UnlessUnknown,
        ..always(commands)
    }
}

/// Sends one command to the master of slot 0, as often as it takes.
async fn ask(net: &Net, text: &str) -> Result<Value, CallError> {
    let values = net.call(0, always(&[words(text)])).await?;
    Ok(values.into_iter().next().unwrap())
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
