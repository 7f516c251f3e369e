use redis::Value;

use super::*;

fn asked() -> Address {
    at("10.0.0.1", 7000)
}

fn at(host: &str, port: u16) -> Address {
    Address {
        host: host.to_owned(),
        port,
    }
}

/// What becomes of an error as a server sends it.
fn answered(line: &str) -> Failure {
    let parsed = redis::parse_redis_value(format!("-{line}\r\n").as_bytes());
    let Ok(Value::ServerError(error)) = parsed else {
        panic!("{line} is not an error");
    };
    Failure::answered("redis://10.0.0.1:7000", &error)
}

#[test]
fn every_answer_has_its_remedy() {
    for (line, remedy) in [
        (
            "MOVED 3999 10.0.0.2:6381",
            Remedy::Moved(at("10.0.0.2", 6381)),
        ),
        ("MOVED 3999 ::1:6381", Remedy::Moved(at("::1", 6381))),
        ("MOVED 3999 [::1]:6381", Remedy::Moved(at("::1", 6381))),
        ("MOVED 3999 :6381", Remedy::Moved(at("10.0.0.1", 6381))),
        ("MOVED 3999 ?:6381", Remedy::Moved(at("10.0.0.1", 6381))),
        ("MOVED 3999", Remedy::Rediscover),
        (
            "ASK 3999 b.example:6381",
            Remedy::Ask(at("b.example", 6381)),
        ),
        (
            "NOSCRIPT No matching script. Please use EVAL.",
            Remedy::Load,
        ),
        ("CLUSTERDOWN The cluster is down", Remedy::Rediscover),
        ("MASTERDOWN Link with MASTER is down", Remedy::Rediscover),
        (
            "READONLY You can't write against a read only replica.",
            Remedy::Rediscover,
        ),
        (
            "UNBLOCKED force unblock from blocking operation",
            Remedy::Rediscover,
        ),
        (
            "TRYAGAIN Multiple keys request during rehashing of slot",
            Remedy::Wait,
        ),
        (
            "LOADING Redis is loading the dataset in memory",
            Remedy::Wait,
        ),
        ("BUSY Redis is busy running a script.", Remedy::Wait),
        ("WRONGTYPE Operation against a key", Remedy::GiveUp),
        (
            "OOM command not allowed when used memory > 'maxmemory'.",
            Remedy::GiveUp,
        ),
        ("NOPERM this user has no permissions", Remedy::GiveUp),
        ("NOAUTH Authentication required.", Remedy::GiveUp),
        (
            "CROSSSLOT Keys in request don't hash to the same slot",
            Remedy::GiveUp,
        ),
        ("ERR max number of clients reached", Remedy::Wait),
        ("ERR unknown command", Remedy::GiveUp),
    ] {
        assert_eq!(answered(line).remedy(&asked()), remedy, "{line}");
    }
    let lost = Failure::broken("redis://h:1", "gone".to_owned());
    assert_eq!(lost.remedy(&asked()), Remedy::Rediscover);
}

#[test]
fn the_error_of_a_command_inside_a_script_counts() {
    let wrapped = "ERR Error running script (call to f_1b93): @user_script:7: @user_script: 7: ";
    for (inner, code, rest) in [
        ("-OOM command not allowed.", "OOM", "command not allowed."),
        (
            "WRONGTYPE Operation against",
            "WRONGTYPE",
            "Operation against",
        ),
        (
            "-READONLY You can't write: no",
            "READONLY",
            "You can't write: no",
        ),
    ] {
        let failure = answered(&format!("{wrapped}{inner}"));
        let (code, message) = (code.to_owned(), rest.to_owned());
        assert_eq!(failure.problem, Problem::Server { code, message });
    }
    // What a script itself trips over is the script's.
    let own = "ERR Error running script (call to f_1b93): @user_script:7: user_script:7: attempt to index nil";
    assert!(matches!(answered(own).problem, Problem::Server { code, .. } if code == "ERR"));
}

#[test]
fn after_the_deadline_excuses_are_no_answer() {
    let deadline = Duration::from_secs(10);
    for line in [
        "LOADING x",
        "CLUSTERDOWN x",
        "TRYAGAIN x",
        "BUSY x",
        "MASTERDOWN x",
    ] {
        let CallError::Unavailable { address, message } = answered(line).after(deadline) else {
            panic!("{line} passes for an answer");
        };
        assert_eq!(address, "redis://10.0.0.1:7000");
        assert!(
            message.contains(line) && message.contains("10s"),
            "{message}"
        );
    }
    let readonly = answered("READONLY x").after(deadline);
    assert!(matches!(readonly, CallError::Server { code, .. } if code == "READONLY"));
}

#[test]
fn a_redirection_outside_a_cluster_says_what_to_write() {
    let error = answered("MOVED 1 h:2").into_error().to_string();
    assert!(error.contains("redis-cluster://"), "{error}");
}

#[test]
fn times_are_told_as_they_were_set() {
    for (time, told) in [
        (9_999_996, "10s"),
        (4_999_700, "5s"),
        (299_804, "300ms"),
        (999_900, "1s"),
        (7_312_345, "7.3s"),
        (61_000_000, "61s"),
        (0, "0ns"),
    ] {
        assert_eq!(format!("{:?}", rounded(Duration::from_micros(time))), told);
    }
}
