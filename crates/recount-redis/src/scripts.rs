//! The scripts that change a stream. What each takes and answers stands in its first lines.

use std::sync::LazyLock;

pub(crate) use crate::net::Script;

macro_rules! script {
    ($($part:literal)+) => {
        LazyLock::new(|| Script::new(concat!($(include_str!(concat!("scripts/", $part, ".lua")), "\n"),+)))
    };
}

macro_rules! group_script {
    ($part:literal) => {
        script!("common" "ids" "idle" "groups/shared" $part)
    };
}

pub(crate) static PUBLISH: LazyLock<Script> = script!("common" "window" "sessions" "publish");
pub(crate) static COPIES: LazyLock<Script> = script!("common" "window" "sessions" "copies");
pub(crate) static PLAN: LazyLock<Script> = script!("common" "ids" "idle" "floor" "plan");
pub(crate) static TRIM: LazyLock<Script> = script!("common" "ids" "idle" "floor" "trim");
pub(crate) static LOST: LazyLock<Script> = script!("common" "ids" "idle" "floor" "lost");
pub(crate) static REGISTER: LazyLock<Script> = script!("common" "register");
pub(crate) static PARTITION: LazyLock<Script> = script!("partition");

pub(crate) static COUNT: LazyLock<Script> = script!("common" "ids" "count");

pub(crate) static AGAIN: LazyLock<Script> = group_script!("groups/again");
pub(crate) static CLAIM: LazyLock<Script> = group_script!("groups/claim");
pub(crate) static AUTO_CLAIM: LazyLock<Script> = group_script!("groups/auto_claim");
pub(crate) static GIVE_BACK: LazyLock<Script> = group_script!("groups/give_back");
pub(crate) static TOUCH: LazyLock<Script> = group_script!("groups/touch");
pub(crate) static REQUEUE: LazyLock<Script> = group_script!("groups/requeue");
pub(crate) static PENDING: LazyLock<Script> = group_script!("groups/pending");
pub(crate) static ABOUT: LazyLock<Script> = group_script!("groups/about");
pub(crate) static LEAVE: LazyLock<Script> = group_script!("groups/leave");
pub(crate) static DESTROY: LazyLock<Script> = group_script!("groups/destroy");
pub(crate) static LEASE: LazyLock<Script> = group_script!("groups/lease");
pub(crate) static RELEASE: LazyLock<Script> = group_script!("groups/release");
pub(crate) static READ_LEASED: LazyLock<Script> = group_script!("groups/read_leased");
pub(crate) static STAMP: LazyLock<Script> = group_script!("groups/stamp");

/// A call of a script with its keys; arguments are added to it.
pub(crate) fn call(script: &Script, keys: &[&str]) -> redis::Cmd {
    let mut command = redis::cmd("EVALSHA");
    command.arg(script.sha()).arg(keys.len()).arg(keys);
    command
}
