//! Who may connect, and how.

use recount_core::EventLog;
use recount_testbed::{Authority, Flavor, Server};

use crate::kit::{append, impatient, open, patient, refused};

#[tokio::test(flavor = "multi_thread")]
async fn tls_needs_an_authority_that_is_trusted() {
    let authority = Authority::new();
    let (_server, port) = authority.serve(Flavor::Redis70, false);
    let ca = authority.certificate();
    let log = open(
        &format!("rediss://127.0.0.1:{port}?ca={}", ca.display()),
        patient(),
    )
    .await;
    append(&log, "a").await.expect("it is appended");

    let error = refused(&format!("rediss://127.0.0.1:{port}"), impatient()).await;
    assert!(error.contains("certificate"), "{error}");
    let error = refused(&format!("redis://127.0.0.1:{port}"), impatient()).await;
    assert!(error.contains(&port.to_string()), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_may_ask_for_a_client_certificate() {
    let authority = Authority::new();
    let (_server, port) = authority.serve(Flavor::Redis70, true);
    let (certificate, key) = authority.client();
    let trusting = format!(
        "rediss://127.0.0.1:{port}?ca={}",
        authority.certificate().display()
    );
    let error = refused(&trusting, impatient()).await;
    assert!(error.contains(&port.to_string()), "{error}");

    let known = format!(
        "{trusting}&cert={}&key={}",
        certificate.display(),
        key.display()
    );
    let log = open(&known, patient()).await;
    append(&log, "a").await.expect("it is appended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_rights_to_ask_the_server_publishes_and_reads() {
    for flavor in [Flavor::Redis60, Flavor::Redis70, Flavor::Valkey9] {
        let server = Server::start(flavor, &[]);
        let rules = "ACL SETUSER recorder on >s3cret ~* +@all -@dangerous -@admin -config -info";
        let rules: Vec<&str> = rules.split(' ').collect();
        server.command(&rules).assert_fine();
        let address = format!("redis://recorder:s3cret@127.0.0.1:{}", server.port());
        let log = open(&address, patient()).await;
        append(&log, "a").await.expect("it is appended");
        let info = log.info().await.expect("the log says what it is");
        assert!(
            info.durability_note.contains("unknown"),
            "{}",
            info.durability_note
        );
        assert!(!info.location.contains("s3cret") && !info.location.contains("recorder"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_rights_to_write_is_told_so() {
    for flavor in [
        Flavor::Redis60,
        Flavor::Redis70,
        Flavor::Redis82,
        Flavor::Valkey9,
    ] {
        let server = Server::start(flavor, &[]);
        let rules = "ACL SETUSER reader on >s3cret ~* +@all -@write";
        let rules: Vec<&str> = rules.split(' ').collect();
        server.command(&rules).assert_fine();
        let address = format!("redis://reader:s3cret@127.0.0.1:{}", server.port());
        // Opening a new stream writes; and so does publishing to one that is there.
        let error = refused(&address, impatient()).await;
        assert!(error.contains("the user may not"), "{flavor:?}: {error}");
        assert_eq!(server.command(&["DBSIZE"]).integer(), 0);
        open(&server.url(), patient()).await;
        let log = open(&address, impatient()).await;
        let error = append(&log, "a").await.expect_err("no rights").to_string();
        assert!(error.contains("the user may not"), "{flavor:?}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_named_and_not_shown() {
    let server = Server::start(Flavor::Redis70, &["--requirepass", "right"]);
    let port = server.port();
    let error = refused(&format!("redis://:s3cret@127.0.0.1:{port}"), impatient()).await;
    assert!(error.contains("password"), "{error}");
    assert!(error.contains(&port.to_string()), "{error}");
    assert!(!error.contains("s3cret"), "{error}");

    let error = refused(&server.url(), impatient()).await;
    assert!(error.contains("password"), "{error}");

    let log = open(&format!("redis://:right@127.0.0.1:{port}"), patient()).await;
    append(&log, "a").await.expect("it is appended");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_database_has_its_own_streams() {
    let server = Server::start(Flavor::Redis70, &[]);
    let zero = open(&server.url(), patient()).await;
    let three = open(&format!("{}/3", server.url()), patient()).await;
    append(&zero, "a").await.expect("it is appended");
    assert_eq!(crate::kit::ids(&three).await, Vec::<String>::new());
    append(&three, "b").await.expect("it is appended");
    assert_eq!(crate::kit::ids(&three).await, ["b"]);
}
