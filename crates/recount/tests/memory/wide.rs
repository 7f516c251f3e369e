//! Searching more than one session.

use recount::memory::{NewMessage, Scope};
use recount::{Memory, Recount};

use super::{Disk, say};

async fn hits(memory: &Memory, query: &str, scope: Scope) -> Vec<String> {
    let found = memory.find(query, 10, scope).await.unwrap();
    let hits = found.hits.iter().map(|hit| {
        format!(
            "{}: {}",
            hit.message.session_id,
            hit.message.text().unwrap()
        )
    });
    hits.collect()
}

#[tokio::test]
async fn a_user_is_remembered_across_sessions_and_others_are_not() {
    let disk = Disk::new();
    let log = disk.open().await;
    let ada = |session: &str| log.memory(session).user("ada");
    say(&ada("a1"), "I like green tea").await;
    say(&ada("a2"), "Coffee is fine too, tea is not").await;
    say(&log.memory("b1").user("bob"), "Tea and tea and tea").await;
    let now = ada("a3");
    say(&now, "Hello").await;

    let mut own = hits(&now, "tea", Scope::User).await;
    own.sort();
    assert_eq!(
        own,
        ["a1: I like green tea", "a2: Coffee is fine too, tea is not"]
    );
    assert_eq!(
        hits(&now, "tea", Scope::All).await[0],
        "b1: Tea and tea and tea"
    );
    assert_eq!(
        hits(&now, "tea", Scope::Session).await,
        Vec::<String>::new()
    );
    // What was just said is found; what was forgotten is not.
    say(&now, "Green tea, please").await;
    ada("a1").clear("she asked for it").await.unwrap();
    let own = hits(&now, "green", Scope::User).await;
    assert_eq!(own, ["a3: Green tea, please"]);

    // The session itself may name the user.
    let own = hits(&log.memory("a3"), "green", Scope::User).await;
    assert_eq!(own, ["a3: Green tea, please"]);
    let nobodys = log.memory("c1");
    say(&nobodys, "green").await;
    let refused = nobodys.find("green", 5, Scope::User).await.unwrap_err();
    assert_eq!(refused.code(), "no_user");

    let recorded = now.search("tea", 1, Scope::User).await.unwrap();
    assert_eq!(recorded.hits.len(), 1);
    assert_eq!(now.stats().await.unwrap().searches, 1);
}

#[tokio::test]
async fn what_was_forgotten_does_not_hide_what_was_not() {
    let disk = Disk::new();
    let log = disk.open().await;
    let forgetful = log.memory("f").user("ada");
    for number in 0..60 {
        let tea = NewMessage::user(format!("tea {number}"));
        forgetful.add_message(tea).await.unwrap();
    }
    forgetful.clear("all of it").await.unwrap();
    let memory = log.memory("s1").user("ada");
    say(
        &memory,
        "a longer sentence, in which tea is one word of many others",
    )
    .await;
    let found = memory.find("tea", 2, Scope::User).await.unwrap();
    assert_eq!(found.hits.len(), 1);
    assert_eq!(found.hits[0].message.session_id, "s1");
}

#[tokio::test]
async fn a_log_of_another_kind_says_what_a_wider_search_needs() {
    let disk = Disk::new();
    let log = disk.open().await;
    say(&log.memory("s1"), "Hello").await;
    let other = Recount::over(log.log().clone());
    let error = other
        .memory("s1")
        .find("hello", 5, Scope::All)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "views_need_directory");
}
