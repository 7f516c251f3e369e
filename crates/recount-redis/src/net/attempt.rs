//! One attempt at a call: what is sent, and what its answers mean.

use std::time::Duration;

use redis::{Arg, Cmd, Pipeline, ServerError, Value};
use tokio::time::timeout;

use super::Call;
use super::failure::{Failure, rounded};
use super::link::{Link, reason};
use super::node::{Node, Which};

/// What this attempt adds to the call.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Extras {
    /// The server is not the slot's master yet, but is asked as if it were.
    pub(super) asking: bool,
    /// The script goes ahead of the commands.
    pub(super) load: bool,
}

/// Sends the call to `node` and waits at most `limit`, and its patience, for the answers.
pub(super) async fn attempt(
    node: &Node,
    call: &Call<'_>,
    extras: Extras,
    limit: Duration,
) -> Result<Vec<Value>, Failure> {
    let which = match call.patience {
        None => Which::Prompt,
        Some(_) => Which::Patient,
    };
    let Ok(link) = timeout(limit, node.link(which)).await else {
        let message = format!(
            "no connection within {:?}: check host, port and firewalls",
            rounded(limit)
        );
        return Err(Failure::unreachable(node.address(), message));
    };
    let link = link?;
    let wait = limit + call.patience.unwrap_or_default();
    match timeout(wait, send(&link, call, extras)).await {
        Ok(Ok(values)) => sorted(call, extras, values).map_err(|refused| Failure {
            executed: refused.executed,
            ..Failure::answered(node.address(), &refused.error)
        }),
        Ok(Err(error)) => {
            let message = format!("the connection broke: {}", reason(&error));
            Err(Failure::broken(node.address(), message))
        }
        Err(_) => {
            // What still comes over it belongs to requests that others have given up too.
            link.give_up();
            let message = format!(
                "no answer within {:?}: the server may be overloaded, stopped or cut off",
                rounded(wait)
            );
            Err(Failure::broken(node.address(), message))
        }
    }
}

async fn send(
    link: &Link,
    call: &Call<'_>,
    extras: Extras,
) -> Result<Vec<Value>, redis::RedisError> {
    if let ([command], false, false, false) =
        (call.commands, call.atomic, extras.asking, extras.load)
    {
        // By far the most frequent case needs no copy of the command.
        return Ok(vec![link.send(command).await?]);
    }
    link.send_all(&pipeline(call, extras)).await
}

/// `[SCRIPT LOAD] [ASKING] MULTI command... EXEC [WAIT]`, or `[SCRIPT LOAD] ([ASKING] command)...`.
fn pipeline(call: &Call<'_>, extras: Extras) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(2 * call.commands.len() + 4);
    if let (true, Some(script)) = (extras.load, call.script) {
        pipeline.cmd("SCRIPT").arg("LOAD").arg(script.source());
    }
    if call.atomic {
        // ASKING holds for the whole transaction.
        if extras.asking {
            pipeline.cmd("ASKING");
        }
        pipeline.cmd("MULTI");
    }
    let (inside, after) = call
        .commands
        .split_at(call.commands.len() - waits_after(call));
    for command in inside {
        if extras.asking && !call.atomic {
            pipeline.cmd("ASKING");
        }
        pipeline.add_command(command.clone());
    }
    if call.atomic {
        pipeline.cmd("EXEC");
    }
    for command in after {
        pipeline.add_command(command.clone());
    }
    pipeline
}

/// An error among the answers.
#[derive(Debug, PartialEq)]
struct Refused {
    error: ServerError,
    /// Whether other commands of the call took effect all the same.
    executed: bool,
}

/// The commands' own values out of all answers, or the first error among them.
fn sorted(call: &Call<'_>, extras: Extras, answers: Vec<Value>) -> Result<Vec<Value>, Refused> {
    if call.atomic {
        return of_transaction(answers, waits_after(call));
    }
    let error = first_error(&answers).cloned();
    let loaded = usize::from(extras.load && call.script.is_some());
    let step = 1 + usize::from(extras.asking);
    let values: Vec<Value> = answers
        .into_iter()
        .skip(loaded + step - 1)
        .step_by(step)
        .collect();
    match error {
        None => Ok(values),
        Some(error) => Err(Refused {
            error,
            executed: call
                .commands
                .iter()
                .zip(&values)
                .any(|(command, value)| !waits(command) && !is_error(value)),
        }),
    }
}

/// EXEC's values, and those of what waits after it. A command that was refused beforehand makes EXEC refuse
/// all of them.
fn of_transaction(mut answers: Vec<Value>, waits: usize) -> Result<Vec<Value>, Refused> {
    let after = answers.split_off(answers.len().saturating_sub(waits));
    if let Some(error) = first_error(&answers) {
        return Err(Refused {
            error: error.clone(),
            executed: false,
        });
    }
    let mut values = match answers.pop() {
        Some(Value::Array(values)) => values,
        _ => Vec::new(),
    };
    values.extend(after);
    match first_error(&values) {
        None => Ok(values),
        Some(error) => Err(Refused {
            error: error.clone(),
            executed: values[..values.len() - waits]
                .iter()
                .any(|value| !is_error(value)),
        }),
    }
}

fn first_error(values: &[Value]) -> Option<&ServerError> {
    values.iter().find_map(|value| match value {
        Value::ServerError(error) => Some(error),
        _ => None,
    })
}

fn is_error(value: &Value) -> bool {
    matches!(value, Value::ServerError(_))
}

/// How many commands at the end of a transaction come after it: inside, WAIT would not wait.
fn waits_after(call: &Call<'_>) -> usize {
    let at_the_end = call.commands.iter().rev().take_while(|last| waits(last));
    if call.atomic { at_the_end.count() } else { 0 }
}

/// Whether the command only waits for what others wrote.
fn waits(command: &Cmd) -> bool {
    matches!(
        command.args_iter().next(),
        Some(Arg::Simple(b"WAIT" | b"WAITAOF"))
    )
}

#[cfg(test)]
mod tests;
