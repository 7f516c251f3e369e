use redis::cmd;

use super::super::{Repeat, Script};
use super::*;

fn call<'a>(commands: &'a [Cmd], atomic: bool, script: Option<&'a Script>) -> Call<'a> {
    Call {
        commands,
        atomic,
        script,
        repeat: Repeat::UnlessUnknown,
        patience: None,
    }
}

fn commands(names: &[&str]) -> Vec<Cmd> {
    names.iter().map(|name| cmd(name)).collect()
}

fn names(pipeline: &Pipeline) -> String {
    let name = |command: &Cmd| match command.args_iter().next() {
        Some(Arg::Simple(name)) => String::from_utf8(name.to_vec()).unwrap(),
        _ => panic!("a command without a name"),
    };
    pipeline.cmd_iter().map(name).collect::<Vec<_>>().join(" ")
}

/// Answers as a server sends them, one a line.
fn answers(lines: &[&str]) -> Vec<Value> {
    lines
        .iter()
        .map(|line| {
            let sent = line.replace(' ', "\r\n").replace('_', " ");
            redis::parse_redis_value(format!("{sent}\r\n").as_bytes()).unwrap()
        })
        .collect()
}

fn refused(outcome: Result<Vec<Value>, Refused>) -> (String, bool) {
    let refused = outcome.unwrap_err();
    (refused.error.code().to_owned(), refused.executed)
}

const ASKING: Extras = Extras {
    asking: true,
    load: false,
};
const BOTH: Extras = Extras {
    asking: true,
    load: true,
};

#[test]
fn what_is_sent() {
    let script = Script::new("return 1");
    let two = commands(&["GET", "SET"]);
    let sent = |atomic, extras| names(&pipeline(&call(&two, atomic, Some(&script)), extras));
    assert_eq!(sent(false, Extras::default()), "GET SET");
    assert_eq!(sent(false, ASKING), "ASKING GET ASKING SET");
    assert_eq!(sent(false, BOTH), "SCRIPT ASKING GET ASKING SET");
    assert_eq!(sent(true, Extras::default()), "MULTI GET SET EXEC");
    assert_eq!(sent(true, BOTH), "SCRIPT ASKING MULTI GET SET EXEC");
}

#[test]
fn the_commands_own_values_are_returned() {
    let script = Script::new("return 1");
    let two = commands(&["GET", "SET"]);
    let plain = call(&two, false, Some(&script));
    let wanted = Ok(vec![Value::Int(1), Value::Int(2)]);
    let sort = |extras, lines: &[&str]| sorted(&plain, extras, answers(lines));
    assert_eq!(sort(Extras::default(), &[":1", ":2"]), wanted);
    assert_eq!(sort(ASKING, &["+OK", ":1", "+OK", ":2"]), wanted);
    assert_eq!(sort(BOTH, &["+sha", "+OK", ":1", "+OK", ":2"]), wanted);
    let atomic = call(&two, true, Some(&script));
    let exec = ["+sha", "+OK", "+OK", "+QUEUED", "+QUEUED", "*2 :1 :2"];
    assert_eq!(sorted(&atomic, BOTH, answers(&exec)), wanted);
}

#[test]
fn the_first_error_decides_and_says_whether_anything_was_done() {
    let two = commands(&["XADD", "XADD"]);
    let plain = call(&two, false, None);
    let sort = |lines: &[&str]| refused(sorted(&plain, Extras::default(), answers(lines)));
    assert_eq!(sort(&[":1", "-MOVED_1_h:1"]), ("MOVED".into(), true));
    assert_eq!(sort(&["-OOM_x", "-MOVED_1_h:1"]), ("OOM".into(), false));
    let asked = answers(&["+OK", "-TRYAGAIN_x", "+OK", "-TRYAGAIN_x"]);
    assert_eq!(
        refused(sorted(&plain, ASKING, asked)),
        ("TRYAGAIN".into(), false)
    );
}

#[test]
fn waiting_is_not_doing() {
    let both = commands(&["EVALSHA", "WAIT"]);
    let lines = answers(&["-NOSCRIPT_x", ":0"]);
    let outcome = sorted(&call(&both, false, None), Extras::default(), lines);
    assert_eq!(refused(outcome), ("NOSCRIPT".into(), false));
}

#[test]
fn a_transaction_does_all_or_says_what_it_did() {
    let two = commands(&["XADD", "EVALSHA"]);
    let atomic = call(&two, true, None);
    let sort = |lines: &[&str]| refused(sorted(&atomic, Extras::default(), answers(lines)));
    assert_eq!(
        sort(&["+OK", "+QUEUED", "-MOVED_1_h:1", "-EXECABORT_x"]),
        ("MOVED".into(), false)
    );
    assert_eq!(
        sort(&["+OK", "+QUEUED", "+QUEUED", "*2 :1 -NOSCRIPT_x"]),
        ("NOSCRIPT".into(), true)
    );
    assert_eq!(
        sort(&["+OK", "+QUEUED", "+QUEUED", "*2 -OOM_x -OOM_x"]),
        ("OOM".into(), false)
    );
}

#[test]
fn a_wait_comes_after_its_transaction() {
    let all = commands(&["XADD", "XADD", "WAIT", "WAITAOF"]);
    let atomic = call(&all, true, None);
    let sent = names(&pipeline(&atomic, Extras::default()));
    assert_eq!(sent, "MULTI XADD XADD EXEC WAIT WAITAOF");
    let sort = |lines: &[&str]| sorted(&atomic, Extras::default(), answers(lines));
    let queued = ["+OK", "+QUEUED", "+QUEUED"];
    assert_eq!(
        sort(&[&queued[..], &["*2 :1 :2", ":3", ":4"]].concat()),
        Ok([1, 2, 3, 4].map(Value::Int).to_vec())
    );
    assert_eq!(
        refused(sort(&[&queued[..], &["*2 :1 :2", "-ERR_x", ":4"]].concat())),
        ("ERR".into(), true)
    );
    assert_eq!(
        refused(sort(
            &[&queued[..], &["*2 -OOM_x -OOM_x", ":0", ":0"]].concat()
        )),
        ("OOM".into(), false)
    );
    assert_eq!(
        refused(sort(&[
            "+OK",
            "-MOVED_1_h:1",
            "+QUEUED",
            "-EXECABORT_x",
            ":0",
            ":0"
        ])),
        ("MOVED".into(), false)
    );
}
