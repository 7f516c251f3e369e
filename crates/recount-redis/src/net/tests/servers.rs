//! Against real servers.

use recount_testbed::{Authority, Cluster, Flavor, Sentinel, Server};

use super::*;

const FLAVOR: Flavor = Flavor::Redis70;

#[tokio::test]
async fn a_server_that_comes_back_needs_nothing_of_ours() {
    let mut server = Server::start(FLAVOR, &[]);
    let net = connect(&server.url()).await;
    ask(&net, "SET a 1").await.unwrap();
    server.kill();
    server.restart();
    assert_eq!(ask(&net, "SET a 2").await, Ok(Value::Okay));
    let mut dedicated = net.dedicated(0).await.unwrap();
    server.kill();
    let lost = dedicated.call(&words("GET a")).await.unwrap_err();
    assert_eq!(unavailable(lost).0, server.url());
    server.restart();
    let mut dedicated = net.dedicated(0).await.unwrap();
    assert_eq!(dedicated.call(&words("GET a")).await, Ok(Value::Nil));
}

#[tokio::test]
async fn a_server_that_is_down_is_told_with_what_to_check() {
    let mut server = Server::start(FLAVOR, &[]);
    server.kill();
    let port = server.port();
    for text in [
        format!("redis://me:hush@127.0.0.1:{port}"),
        format!("redis-cluster://me:hush@127.0.0.1:{port}"),
        format!("redis-sentinel://me:hush@127.0.0.1:{port}/m?sentinel_password=hush"),
    ] {
        let error = refused(&text).await;
        let shown = format!("{error} {error:?}");
        assert!(
            shown.contains(&format!("redis-cli -h 127.0.0.1 -p {port} ping")),
            "{shown}"
        );
        assert!(!shown.contains("hush"), "{shown}");
        let (address, message) = unavailable(error);
        assert_eq!(address, format!("redis://127.0.0.1:{port}"));
        assert!(message.contains("connection refused"), "{message}");
    }
}

#[tokio::test]
async fn a_script_the_server_forgot_is_loaded() {
    let server = Server::start(FLAVOR, &[]);
    let net = connect(&server.url()).await;
    let script = Script::new("return redis.call('INCR', KEYS[1])");
    let mut run = cmd("EVALSHA");
    run.arg(script.sha()).arg(1).arg("n");
    let commands = [run, words("WAIT 0 1")];
    for (atomic, counted) in [(false, 1), (false, 2), (true, 3), (true, 4)] {
        if counted % 2 == 1 {
            server.command(&["SCRIPT", "FLUSH"]).assert_fine();
        }
        let call = Call {
            script: Some(&script),
            atomic,
            ..once(&commands[..if atomic { 1 } else { 2 }])
        };
        assert_eq!(net.call(0, call).await.unwrap()[0], Value::Int(counted));
    }
}

#[tokio::test]
async fn closing_ends_what_blocks_and_what_comes_later() {
    let server = Server::start(FLAVOR, &[]);
    let net = connect(&server.url()).await;
    let mut dedicated = net.dedicated(0).await.unwrap();
    let blocked = tokio::spawn(async move {
        let read = words("XREAD BLOCK 0 STREAMS s $");
        dedicated.call(&read).await
    });
    // The client list shows when it blocks.
    while !text(ask(&net, "CLIENT LIST").await.unwrap()).contains("cmd=xread") {
        tokio::task::yield_now().await;
    }
    net.clone().close();
    assert_eq!(blocked.await.unwrap(), Err(CallError::Closed));
    assert_eq!(ask(&net, "GET a").await, Err(CallError::Closed));
    assert!(matches!(net.dedicated(0).await, Err(CallError::Closed)));
}

#[tokio::test]
async fn closing_ends_what_is_tried_again() {
    let mut server = Server::start(FLAVOR, &[]);
    let net = connect(&server.url()).await;
    server.kill();
    let (asked, ()) = tokio::join!(ask(&net, "GET a"), async { net.close() });
    assert_eq!(asked, Err(CallError::Closed));
}

#[tokio::test]
async fn dropping_a_dedicated_connection_closes_it() {
    let server = Server::start(FLAVOR, &[]);
    let net = connect(&server.url()).await;
    let clients = || server.info("connected_clients").unwrap();
    let before = clients();
    let mut dedicated = net.dedicated(0).await.unwrap();
    dedicated.call(&words("PING")).await.unwrap();
    assert_ne!(clients(), before);
    drop(dedicated);
    while clients() != before {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn users_passwords_and_databases() {
    let server = Server::start(
        FLAVOR,
        &[
            "--requirepass",
            "hush",
            "--user",
            "recorder",
            "on",
            ">s3/cret",
            "~mine:*",
            "+@all",
        ],
    );
    let port = server.port();
    for (login, wanted) in [
        ("", "NOAUTH"),
        (":wrong@", "WRONGPASS"),
        ("recorder:hush@", "WRONGPASS"),
        ("recorder@", "WRONGPASS"),
        ("nobody:hush@", "WRONGPASS"),
    ] {
        let error = refused(&format!("redis://{login}127.0.0.1:{port}")).await;
        let shown = error.to_string();
        assert!(
            shown.contains("REDIS_PASSWORD") && !shown.contains("hush"),
            "{shown}"
        );
        assert_eq!(code(error), wanted, "{login}");
    }
    let net = connect(&format!("redis://:hush@127.0.0.1:{port}/3")).await;
    ask(&net, "SET mine:a 1").await.unwrap();
    assert!(text(ask(&net, "CLIENT INFO").await.unwrap()).contains(" db=3 "));
    let net = connect(&format!("redis://recorder:s3%2Fcret@127.0.0.1:{port}")).await;
    ask(&net, "SET mine:a 1").await.unwrap();
    assert_eq!(code(ask(&net, "SET other 1").await.unwrap_err()), "NOPERM");
    let filled = url(&format!("127.0.0.1:{port}")).with_password(Some("hush".to_owned()));
    Net::connect(&filled, NetOptions::default()).await.unwrap();
    let message = refused(&format!("redis://:hush@127.0.0.1:{port}/99")).await;
    assert!(message.to_string().contains("DB index"), "{message}");
}

#[tokio::test]
async fn a_password_nobody_asked_for_is_told() {
    let server = Server::start(FLAVOR, &[]);
    let error = refused(&format!("redis://:hush@127.0.0.1:{}", server.port())).await;
    assert!(error.to_string().contains("REDIS_PASSWORD"), "{error}");
}

#[tokio::test]
async fn over_tls_only_the_trusted_are_talked_to() {
    let authority = Authority::new();
    let (_server, port) = authority.serve(FLAVOR, true);
    let ca = authority.certificate().display().to_string();
    let (cert, key) = authority.client();
    let login = format!("cert={}&key={}", cert.display(), key.display());
    let net = connect(&format!("rediss://127.0.0.1:{port}?ca={ca}&{login}")).await;
    assert_eq!(net.address(0), format!("rediss://127.0.0.1:{port}"));
    ask(&net, "SET a 1").await.unwrap();
    net.dedicated(0).await.unwrap();

    let (_, message) = unavailable(refused(&format!("rediss://127.0.0.1:{port}?{login}")).await);
    assert!(
        message.contains("TLS failed") && message.contains("?ca="),
        "{message}"
    );
    for missing in ["", &format!("?ca={ca}")] {
        unavailable(refused(&format!("rediss://127.0.0.1:{port}{missing}")).await);
    }
    let (_, message) = unavailable(refused(&format!("rediss://127.0.0.1:{port}?ca={ca}x")).await);
    assert!(message.contains("cannot be used"), "{message}");
}

#[tokio::test]
async fn a_cluster_is_found_from_one_node_and_followed() {
    let mut cluster = Cluster::start(FLAVOR, &[]);
    let port = cluster.node(4).port();
    let net = connect(&format!("redis-cluster://127.0.0.1:{port}")).await;
    let masters = net.masters(&words("ROLE")).await;
    assert_eq!(masters.len(), 3);
    for (address, role) in &masters {
        assert!(
            matches!(role, Ok(Value::Array(role)) if role.len() == 3),
            "{address}"
        );
        let again = net.master(address, &words("ROLE")).await;
        assert_eq!(&again, role);
    }
    for key in ["a", "b", "c", "d"] {
        let write = [words(&format!("SET {key} {key}"))];
        net.call(slot_of(key.as_bytes()), once(&write))
            .await
            .unwrap();
    }
    let slot = slot_of(b"a");
    let from = cluster.master_of(slot);
    assert_eq!(net.address(slot), cluster.node(from).url());

    // A slot that moves away under our feet.
    let to = (0..3).find(|&node| node != from).unwrap();
    cluster.migrate_slot(slot, to, 1, || {});
    let read = [words("GET a")];
    let got = net.call(slot, once(&read)).await.unwrap();
    assert_eq!(text(got.into_iter().next().unwrap()), "a");
    assert_eq!(net.address(slot), cluster.node(to).url());

    // A blocked read whose slot moves away is told, and the next one goes where it went.
    let other = slot_of(b"b");
    let mut dedicated = net.dedicated(other).await.unwrap();
    let killed = cluster.fail_over(other);
    unavailable(dedicated.call(&words("GET b")).await.unwrap_err());
    let got = net.call(other, Call::of(&[words("SET b 2")])).await;
    assert_eq!(got, Ok(vec![Value::Okay]));
    assert_ne!(net.address(other), cluster.node(killed).url());
    let mut dedicated = net.dedicated(other).await.unwrap();
    assert_eq!(text(dedicated.call(&words("GET b")).await.unwrap()), "2");
}

#[tokio::test]
async fn a_single_server_and_a_cluster_are_not_mistaken_for_each_other() {
    let server = Server::start(FLAVOR, &["--cluster-enabled", "yes"]);
    let error = refused(&format!("redis-cluster://127.0.0.1:{}", server.port())).await;
    assert!(error.to_string().contains("not set up"), "{error}");
    let server = Server::start(FLAVOR, &[]);
    let error = refused(&format!("redis-cluster://127.0.0.1:{}", server.port())).await;
    assert!(error.to_string().contains("redis://host:port"), "{error}");
}

#[tokio::test]
async fn sentinels_lead_to_the_new_master() {
    let mut sentinel = Sentinel::start(FLAVOR, 3, &[]);
    let net = connect(&sentinel.url()).await;
    assert_eq!(net.address(0), sentinel.master().url());
    ask(&net, "SET a 1").await.unwrap();
    let killed = sentinel.fail_over();
    ask(&net, "SET a 2").await.unwrap();
    assert_eq!(net.address(0), sentinel.servers()[1 - killed].url());
    net.dedicated(0).await.unwrap();
}
