//! What goes wrong with a server, and what is said then: never a password.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::Stdio;

use recount_testbed::{Flavor, Server};

use crate::redis::{interrupt, server};
use crate::support::{Run, SESSION, Sandbox};

#[test]
fn a_server_that_is_down_is_named_with_what_to_check() {
    // Nobody listens at a port that was just given back.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let address = format!("127.0.0.1:{port}");
    let sandbox = Sandbox::on(&format!("redis://ada:hunter2@{address}"));
    for args in [
        &["events"][..],
        &["info"],
        &["tail"],
        &["state", "s1"],
        &["trim", "--max-length", "1"],
        &["mirrors"],
        &["publish", "--type", "t", "--session", "s"],
    ] {
        let run = sandbox.run(args);
        run.assert_refused(1, &[&address, "refused", "redis-cli"]);
        assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
    }
}

#[test]
fn a_password_comes_from_the_url_the_variable_or_the_file_and_is_never_shown() {
    let server = Server::start(Flavor::Redis70, &["--requirepass", "hunter2"]);
    let port = server.port();
    let with_password = format!("redis://:hunter2@127.0.0.1:{port}");
    let without = format!("redis://127.0.0.1:{port}");
    let in_file = Sandbox::on(&without);
    let file = "redis.password = \"hunter2\"\n";
    std::fs::write(in_file.path().join("recount.toml"), file).unwrap();
    let sandboxes = [
        Sandbox::on(&with_password),
        Sandbox::on(&without).with("REDIS_PASSWORD", "hunter2"),
        Sandbox::on(&without).with("RECOUNT_REDIS_PASSWORD", "hunter2"),
        Sandbox::new()
            .with("REDIS_URL", &format!("127.0.0.1:{port}"))
            .with("REDIS_PASSWORD", "hunter2"),
        in_file,
    ];
    for sandbox in &sandboxes {
        for args in [
            &["publish"][..],
            &["events"],
            &["info"],
            &["info", "--json"],
            &["config"],
            &["config", "--json"],
            &["state", "nobody"],
            &["mirrors"],
            &["demo", "--speed", "1000", "--url", &with_password],
        ] {
            let run = sandbox.run_with(args, SESSION);
            assert!(
                run.code == Some(0) || args[0] == "state",
                "{args:?}: {}",
                run.stderr
            );
            let told = run.stdout + &run.stderr;
            assert!(!told.contains("hunter2"), "{args:?}: {told}");
        }
    }
    let config = sandboxes[1].run(&["config"]).stdout;
    let line = config
        .lines()
        .find(|line| line.starts_with("redis.password"));
    let words: Vec<_> = line.unwrap().split_whitespace().collect();
    assert_eq!(words, ["redis.password", "set", "REDIS_PASSWORD"]);

    let flag = Sandbox::new().run(&["state", "x", "--url", &with_password]);
    flag.assert_refused(1, &["hint: recount sessions", " --url ..."]);
    assert!(!flag.stderr.contains("hunter2"), "{}", flag.stderr);
    let demo = ["demo", "--speed", "1000", "--url"];
    for (sandbox, url, shown) in [
        (&Sandbox::new(), &with_password, "... # the same URL"),
        // The password is there for the commands too.
        (&sandboxes[1], &without, &format!("{without}/0")),
    ] {
        let told = sandbox.run(&[&demo[..], &[url]].concat()).stdout;
        let export = format!("export RECOUNT_URL={shown}");
        assert!(told.contains(&export), "{told}");
    }

    let wrong = Sandbox::on(&without).with("REDIS_PASSWORD", "wr0ng");
    for run in [
        wrong.run(&["events"]),
        Sandbox::on(&without).run(&["events"]),
    ] {
        run.assert_refused(1, &["password"]);
        assert!(!run.stderr.contains("wr0ng"), "{}", run.stderr);
    }
}

#[test]
fn info_tells_what_a_user_may_see() {
    let server = server();
    let sandbox = Sandbox::on(&server.url()).with_session();
    assert!(sandbox.run(&["info"]).stdout.contains("streams there"));
    let rights = ["ACL", "SETUSER", "ada", "on", ">pw", "~*", "+@all", "-scan"];
    server.command(&rights).assert_fine();
    let sandbox = Sandbox::on(&format!("redis://ada:pw@127.0.0.1:{}", server.port()));
    let run = sandbox.run(&["info"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(!run.stdout.contains("streams there"), "{}", run.stdout);
    // What is not seen is not said to be missing.
    let other = sandbox.run(&["events", "--stream", "other"]);
    other.assert_refused(1, &["no stream other", "hint: --stream NAME"]);
}

#[test]
fn a_key_of_another_type_is_no_stream() {
    let server = server();
    server.command(&["SET", "memory:events", "x"]).assert_fine();
    let sandbox = Sandbox::on(&server.url());
    for args in [&["events"][..], &["info"], &["publish"]] {
        let run = sandbox.run_with(args, SESSION);
        run.assert_refused(1, &["memory:events", "string", "--stream"]);
    }
}

#[test]
fn a_full_server_takes_nothing_and_says_so() {
    let server = server();
    let sandbox = Sandbox::on(&server.url()).with_session();
    server
        .command(&["CONFIG", "SET", "maxmemory", "1mb"])
        .assert_fine();
    let run = sandbox.run(&["publish", "--type", "t", "--session", "s9"]);
    run.assert_refused(1, &["maxmemory"]);
    // What is there can be read.
    assert_eq!(sandbox.run(&["events", "--count"]).stdout, "6\n");
}

#[test]
fn a_stream_that_is_not_there_is_not_created_by_reading() {
    let server = server();
    let sandbox = Sandbox::on(&server.url());
    for args in [
        &["events"][..],
        &["state", "s1"],
        &["info"],
        &["export"],
        &["trim", "--max-length", "0"],
        &["mirrors"],
    ] {
        let run = sandbox.run(args);
        run.assert_refused(1, &["no stream memory:events", "hint: "]);
    }
    assert_eq!(server.command(&["DBSIZE"]).integer(), 0);
    sandbox.run_with(&["publish", "--stream", "other"], SESSION);
    sandbox.run(&["events"]).assert_refused(
        1,
        &["hint: --stream NAME names another one: there is other"],
    );
}

#[test]
fn what_makes_no_sense_on_one_engine_is_refused_before_anything_is_opened() {
    let server = server();
    let sandbox = Sandbox::on(&server.url());
    sandbox
        .run(&["publish", "--fsync", "os"])
        .assert_refused(2, &["--fsync: this is about logs on disk", "--wait-aof"]);
    sandbox.run(&["doctor"]).assert_refused(
        2,
        &["doctor checks the files of a disk: URL", "recount info"],
    );
    sandbox
        .run(&["publish", "--partitions", "2000"])
        .assert_refused(2, &["--partitions: 2000 is out of range"]);
    sandbox
        .run(&["publish", "--wait-aof", "always"])
        .assert_refused(2, &["--wait-aof: write off, local"]);
    sandbox
        .run(&["events", "--wait-replicas", "1"])
        .assert_refused(2, &["--wait-replicas"]);
    sandbox
        .run(&["--wait-replicas", "1", "events"])
        .assert_refused(2, &["--wait-replicas is about writing"]);
    let trim = ["trim", "--max-length", "1"];
    for flag in [
        ["--wait-replicas", "1"],
        ["--wait-aof", "local"],
        ["--partitions", "3"],
    ] {
        let behind = sandbox.run(&[&trim[..], &flag].concat());
        behind.assert_refused(2, &[flag[0]]);
        let before = sandbox.run(&[&flag[..], &trim].concat());
        before.assert_refused(2, &[&format!("{} is about appending", flag[0])]);
    }
    for flag in [
        ["--wait-replicas", "1"],
        ["--fsync", "os"],
        ["--batch-size", "7"],
    ] {
        let printed = sandbox.run(&[&["replay"], &flag[..]].concat());
        let told = format!("{} is about writing: it goes with --into", flag[0]);
        printed.assert_refused(2, &[&told]);
    }
    assert_eq!(server.command(&["DBSIZE"]).integer(), 0);

    let disk = Sandbox::new();
    disk.run(&["publish", "--wait-replicas", "1"])
        .assert_refused(2, &["--wait-replicas: this is about logs on a server"]);
    disk.run(&["mirrors"])
        .assert_refused(2, &["mirrors are copies", "disk:recount-data"]);
    let variable: Run = Sandbox::new()
        .with("REDIS_URL", "localhost:hunter2")
        .run(&["events"]);
    variable.assert_refused(2, &["error: REDIS_URL: "]);
}

#[test]
fn an_acknowledgement_waits_for_replicas_or_fails() {
    let server = server();
    let sandbox = Sandbox::on(&server.url()).with("RECOUNT_REDIS_WAIT_TIMEOUT", "10ms");
    let event = ["publish", "--type", "t", "--session", "s", "--id", "e1"];
    let run = sandbox.run(&[&event[..], &["--wait-replicas", "1"]].concat());
    run.assert_refused(1, &["held by 1 replica", "0 of 1"]);
    // A trim waits for nobody, and does not say that it does.
    let waiting = Sandbox::on(&server.url()).with("RECOUNT_REDIS_WAIT_REPLICAS", "1");
    let trim = waiting.run(&["trim", "--max-length", "7"]);
    assert_eq!(trim.code, Some(0), "{}", trim.stderr);
    assert!(trim.stderr.ends_with(", trimming\n"), "{}", trim.stderr);
    // It is there, for publishing it again tells.
    let run = sandbox.run(&event);
    assert!(run.stdout.starts_with("duplicate "), "{}", run.stdout);
}

#[test]
fn ctrl_c_ends_a_command_whose_server_is_silent() {
    let server = server();
    let sandbox = Sandbox::on(&server.url());
    let mut publisher = sandbox
        .command(&["publish"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = publisher.stdin.take().unwrap();
    let mut answers = BufReader::new(publisher.stdout.take().unwrap()).lines();
    let (first, second) = SESSION.split_at(SESSION.find('\n').unwrap() + 1);
    stdin.write_all(first.as_bytes()).unwrap();
    assert!(answers.next().unwrap().unwrap().starts_with("appended "));
    server.pause();
    stdin.write_all(second.as_bytes()).unwrap();
    interrupt(publisher.id());
    assert_eq!(publisher.wait().unwrap().code(), Some(130));
    // What was answered is there.
    server.resume();
    assert!(sandbox.run(&["events"]).stdout.contains("session.started"));
}
