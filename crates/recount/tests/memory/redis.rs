//! On a server, without a mirror: processes that keep nothing.

use recount::memory::{NewMessage, Scope};
use recount::{At, Recount, TrimLimit, TrimRequest};
use recount_testbed::{Flavor, Server};

use super::writes::{assert_all_of_the_crowd, crowd};
use super::{found, say, texts, types};

async fn open(server: &Server) -> Recount {
    Recount::open(&server.url()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_clients_share_a_session_and_nothing_is_lost() {
    let server = Server::start(Flavor::Redis70, &[]);
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(open(&server).await);
    }
    crowd(|who| clients[who].memory("s1")).await;
    let newcomer = open(&server).await;
    assert_all_of_the_crowd(&newcomer).await;
    let types = types(&newcomer, "s1").await;
    assert_eq!(types[0], "session.started");

    // Each adds only if nobody did since it looked: one of ten at a time.
    let mut refused = 0;
    let seen = newcomer.memory("s1").recent(1).await.unwrap().revision;
    let adding = clients.iter().map(|client| {
        let memory = client.memory("s1").expecting(seen);
        tokio::spawn(async move { memory.add_message(NewMessage::user("mine")).await })
    });
    for added in adding.collect::<Vec<_>>() {
        if let Err(error) = added.await.unwrap() {
            let both = format!("is at revision {}, not {seen}", seen + 1);
            assert!(error.to_string().contains(&both), "{error}");
            refused += 1;
        }
    }
    assert_eq!(refused, 9);
    assert_eq!(
        newcomer.memory("s1").recent(1).await.unwrap().revision,
        seen + 1
    );
}

#[tokio::test]
async fn the_memory_is_read_from_the_server_alone() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server).await;
    let memory = log.memory("s1").user("ada");
    for text in ["red apple", "green apple"] {
        say(&memory, text).await;
    }
    log.session("s1").fork(At::Now, "s2").await.unwrap();
    memory.clear("enough").await.unwrap();
    say(&memory, "blue apple").await;
    assert!(log.mirror_dir().is_none());

    let other = open(&server).await;
    let recent = other.memory("s1").recent(5).await.unwrap();
    assert_eq!(texts(&recent), ["blue apple"]);
    assert!(recent.complete);
    assert_eq!(found(&other.memory("s1"), "apple").await, ["blue apple"]);
    let fork = other.memory("s2").recent(5).await.unwrap();
    assert_eq!(texts(&fork), ["red apple", "green apple"]);

    // A wider search says what it would need.
    for scope in [Scope::User, Scope::All] {
        let error = other
            .memory("s1")
            .find("apple", 5, scope)
            .await
            .unwrap_err();
        assert_eq!(error.code(), "views_need_mirror");
        let told = error.to_string();
        assert!(
            told.contains("only the session itself") && told.contains("mirror"),
            "{told}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_mirror_all_sessions_are_searched() {
    let server = Server::start(Flavor::Redis70, &[]);
    let writer = open(&server).await;
    say(&writer.memory("s1").user("ada"), "red apple").await;
    say(&writer.memory("s2").user("bob"), "green apple").await;
    let folder = tempfile::tempdir().unwrap();
    let log = Recount::builder().url(server.url()).mirror(folder.path());
    let log = log.open().await.unwrap();
    let memory = log.memory("s3").user("ada");
    let found = memory.search("apple", 5, Scope::User).await.unwrap();
    assert_eq!(found.hits.len(), 1);
    assert_eq!(found.hits[0].message.session_id, "s1");
    // What another process added just now is found too.
    say(&writer.memory("s1").user("ada"), "blue apple").await;
    assert_eq!(
        memory
            .find("apple", 5, Scope::User)
            .await
            .unwrap()
            .hits
            .len(),
        2
    );
    assert_eq!(
        memory
            .find("apple", 5, Scope::All)
            .await
            .unwrap()
            .hits
            .len(),
        3
    );
    log.close().await.unwrap();
}

#[tokio::test]
async fn a_part_of_a_memory_is_told_on_a_server_too() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server).await;
    let memory = log.memory("s1");
    for number in 0..10 {
        say(&memory, &format!("message {number}")).await;
    }
    let request = TrimRequest::exact(TrimLimit::MaxLength(4));
    log.trim(&request).await.unwrap();
    for memory in [&memory, &log.memory("s1")] {
        let recent = memory.recent(20).await.unwrap();
        assert_eq!(recent.messages.len(), 4);
        assert!(!recent.complete);
        assert_eq!((recent.retained_from, recent.revision), (Some(8), 11));
    }
    let all = TrimRequest::exact(TrimLimit::MaxLength(0));
    log.trim(&all).await.unwrap();
    for memory in [&memory, &log.memory("s1")] {
        let recent = memory.recent(4).await.unwrap();
        assert_eq!((recent.messages.len(), recent.complete), (0, false));
        assert_eq!(recent.revision, 11);
    }
    let next = memory
        .expecting(11)
        .add_message(NewMessage::user("still here"))
        .await
        .unwrap();
    assert_eq!((next.began, next.revision()), (false, Some(12)));
    assert_eq!(
        texts(&log.memory("s1").recent(1).await.unwrap()),
        ["still here"]
    );
}
