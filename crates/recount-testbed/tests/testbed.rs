//! The testbed does what its users rely on.

use std::path::Path;
use std::process::Command;

use recount_testbed::{
    Authority, Client, Cluster, Flavor, Proxy, Reply, Sentinel, Server, python_packages, until,
};

const FLAVORS: [(Flavor, &str, &str); 6] = [
    (Flavor::Redis50, "redis_version", "5.0."),
    (Flavor::Redis60, "redis_version", "6.0."),
    (Flavor::Redis62, "redis_version", "6.2."),
    (Flavor::Redis70, "redis_version", "7."),
    (Flavor::Redis82, "redis_version", "8.2."),
    (Flavor::Valkey9, "valkey_version", "9."),
];

#[test]
fn every_flavor_is_what_its_name_says() {
    for (flavor, field, version) in FLAVORS {
        let server = Server::start(flavor, &[]);
        let found = server.info(field).expect("a version");
        assert!(found.starts_with(version), "{flavor:?} is {found}");
    }
}

#[test]
fn a_killed_server_comes_back_at_its_port_with_what_it_kept() {
    let args = ["--appendonly", "yes", "--appendfsync", "always"];
    let mut server = Server::start(Flavor::Redis70, &args);
    server.command(&["SET", "key", "value"]).assert_fine();
    let port = server.port();
    server.kill();
    assert!(Client::connect(port).is_err(), "nobody listens");
    server.restart();
    assert_eq!(server.port(), port);
    assert_eq!(server.command(&["GET", "key"]).text(), "value");
}

#[test]
fn nothing_is_left_of_a_dropped_server() {
    let server = Server::start(Flavor::Redis70, &[]);
    let (port, directory) = (server.port(), server.directory().to_owned());
    assert!(directory.exists());
    drop(server);
    assert!(!directory.exists());
    assert!(Client::connect(port).is_err(), "nobody listens");
}

/// What a test process does that is killed before it can drop anything.
#[test]
fn a_server_does_not_outlive_a_killed_test() {
    const ROLE: &str = "RECOUNT_TESTBED_VICTIM";
    if let Some(told) = std::env::var_os(ROLE) {
        let server = Server::start(Flavor::Redis70, &[]);
        let words = format!("{}\n{}", server.port(), server.directory().display());
        std::fs::write(told, words).expect("the port is told");
        std::process::abort();
    }
    let told = tempfile::NamedTempFile::new().expect("a file");
    let this = std::env::current_exe().expect("the test's program");
    let status = Command::new(this)
        .args(["--exact", "a_server_does_not_outlive_a_killed_test"])
        .env(ROLE, told.path())
        .output()
        .expect("it starts")
        .status;
    assert!(!status.success(), "it aborted");
    let words = std::fs::read_to_string(told.path()).expect("it told its port");
    let (port, directory) = words.split_once('\n').expect("a port and a directory");
    let port = port.parse().expect("a port");
    until("the server to end", || {
        Client::connect(port).is_err().then_some(())
    });
    until("its directory to go", || {
        (!Path::new(directory).exists()).then_some(())
    });
}

#[test]
fn a_paused_server_answers_once_it_is_resumed() {
    let server = Server::start(Flavor::Redis70, &[]);
    let mut client = server.client();
    server.pause();
    let answer = std::thread::spawn(move || client.command(&["PING"]));
    assert!(!answer.is_finished());
    server.resume();
    assert_eq!(answer.join().expect("it ends").text(), "PONG");
}

#[test]
fn a_slot_moves_and_a_replica_takes_over() {
    let mut cluster = Cluster::start(Flavor::Redis70, &[]);
    let slot = cluster.slot_of("key");
    let from = cluster.master_of(slot);
    let to = (from + 1) % 3;
    cluster
        .node(from)
        .command(&["SET", "key", "value"])
        .assert_fine();
    let mut pauses = 0;
    cluster.migrate_slot(slot, to, 10, || pauses += 1);
    assert_eq!(pauses, 2, "before and after the only page");
    assert_eq!(cluster.master_of(slot), to);
    let moved = cluster.node(from).command(&["GET", "key"]);
    assert!(
        moved
            .error()
            .is_some_and(|error| error.starts_with("MOVED"))
    );
    let replica = cluster.replica_of(to);
    until("the replica to have the key", || {
        let offset = cluster.node(to).info("master_repl_offset");
        (offset == cluster.node(replica).info("slave_repl_offset")).then_some(())
    });
    assert_eq!(cluster.fail_over(slot), to);
    assert_eq!(cluster.master_of(slot), replica);
    assert_eq!(
        cluster.node(replica).command(&["GET", "key"]).text(),
        "value"
    );
    cluster.node_mut(to).restart();
    cluster.settle();
    assert_eq!(cluster.node(to).info("role").as_deref(), Some("slave"));
}

#[test]
fn sentinels_name_a_new_master() {
    let mut sentinel = Sentinel::start(Flavor::Redis70, 1, &[]);
    assert!(sentinel.url().ends_with("/recount"));
    let old = sentinel.master().port();
    let killed = sentinel.fail_over();
    assert_ne!(sentinel.master().port(), old);
    sentinel.restart(killed);
    assert!(sentinel.servers().iter().all(Server::is_running));
}

#[test]
fn a_server_with_a_certificate_speaks_tls() {
    let authority = Authority::new();
    let (server, port) = authority.serve(Flavor::Redis70, true);
    assert_eq!(server.command(&["PING"]).text(), "PONG");
    let (certificate, key) = authority.client();
    let address = format!("127.0.0.1:{port}");
    let handshake = |identity: bool| {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-connect", &address, "-verify_return_error"]);
        command.args(["-verify_ip", "127.0.0.1", "-quiet", "-no_ign_eof"]);
        command.arg("-CAfile").arg(authority.certificate());
        if identity {
            command.arg("-cert").arg(&certificate).arg("-key").arg(&key);
        }
        command.stdin(std::process::Stdio::null());
        command.output().expect("openssl starts").status.success()
    };
    assert!(handshake(true));
}

#[test]
fn a_proxy_cuts_answers_while_it_is_told_to() {
    let server = Server::start(Flavor::Redis70, &[]);
    let proxy = Proxy::start(server.port(), 7, 40);
    let port = proxy
        .url()
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok());
    let port = port.expect("a port");
    let ping = |client: &mut Client| client.try_command(&["ECHO", "a rather long word"]);
    proxy.begin();
    for _ in 0..5 {
        let mut client = Client::connect(port).expect("it accepts");
        let answers = (0..10).take_while(|_| ping(&mut client).is_ok()).count();
        assert!(answers < 10, "40 bytes are fewer than ten answers");
    }
    assert_eq!(proxy.cuts(), 5);
    proxy.end();
    let mut client = Client::connect(port).expect("it accepts");
    for _ in 0..10 {
        assert_eq!(
            ping(&mut client).expect("no cut").text(),
            "a rather long word"
        );
    }
    proxy.cut();
    assert!(ping(&mut client).is_err());
}

#[test]
fn replies_of_every_kind_are_read() {
    let server = Server::start(Flavor::Redis70, &[]);
    assert_eq!(server.command(&["PING"]), Reply::Status("PONG".into()));
    assert_eq!(server.command(&["GET", "none"]), Reply::Nil);
    assert_eq!(server.command(&["INCR", "n"]), Reply::Integer(1));
    assert_eq!(server.command(&["GET", "n"]), Reply::Bulk(b"1".to_vec()));
    let list = server.command(&["MGET", "n", "none"]).list();
    assert_eq!(list, [Reply::Bulk(b"1".to_vec()), Reply::Nil]);
    assert!(server.command(&["NONSENSE"]).error().is_some());
}

#[test]
fn python_has_its_client() {
    let output = Command::new("python3")
        .args(["-c", "import redis; print(redis.__version__)"])
        .env("PYTHONPATH", python_packages())
        .output()
        .expect("python3 starts");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "8.1.0");
}
