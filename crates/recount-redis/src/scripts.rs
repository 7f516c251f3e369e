//! The scripts that change a stream. What each takes and answers stands in its first lines.

use std::sync::LazyLock;

use crate::net::Script;

macro_rules! script {
    ($($part:literal)+) => {
        LazyLock::new(|| Script::new(concat!($(include_str!(concat!("scripts/", $part, ".lua")), "\n"),+)))
    };
}

pub(crate) static PUBLISH: LazyLock<Script> = script!("common" "window" "sessions" "publish");
pub(crate) static COPIES: LazyLock<Script> = script!("common" "window" "sessions" "copies");
pub(crate) static PLAN: LazyLock<Script> = script!("common" "floor" "plan");
pub(crate) static TRIM: LazyLock<Script> = script!("common" "floor" "trim");
pub(crate) static REGISTER: LazyLock<Script> = script!("common" "register");
pub(crate) static PARTITION: LazyLock<Script> = script!("partition");

/// A call of a script with its keys; arguments are added to it.
pub(crate) fn call(script: &Script, keys: &[&str]) -> redis::Cmd {
    let mut command = redis::cmd("EVALSHA");
    command.arg(script.sha()).arg(keys.len()).arg(keys);
    command
}
