//! What real servers say rarely.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::fake::Fake;
use super::*;

/// Long enough for a second attempt, short enough to wait for.
const SHORT: Duration = Duration::from_millis(200);

/// Answers the first command so, and all later ones with `+OK`.
fn at_first(answer: &'static str) -> impl Fn(&str) -> Option<String> {
    let count = AtomicUsize::new(0);
    move |_| {
        let first = count.fetch_add(1, Ordering::SeqCst) == 0;
        let said = if first { answer } else { "+OK" };
        (said != "close").then(|| said.to_owned())
    }
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_only_where_that_is_harmless() {
    let fake = Fake::start(at_first("close"));
    let net = connect(&fake.url()).await;
    assert_eq!(ask(&net, "SET a 1").await, Ok(Value::Okay));
    assert_eq!(fake.seen(), ["SET a 1", "SET a 1"]);

    let fake = Fake::start(at_first("close"));
    let net = connect(&fake.url()).await;
    let lost = net.call(0, once(&[words("SET a 1")])).await.unwrap_err();
    let (address, message) = unavailable(lost);
    assert_eq!(address, fake.url());
    assert!(message.contains("may have been executed"), "{message}");
    assert_eq!(fake.seen(), ["SET a 1"]);
    // The connection is replaced for whoever comes next.
    let next = net.call(0, once(&[words("SET a 2")])).await;
    assert_eq!(next, Ok(vec![Value::Okay]));
}

#[tokio::test]
async fn what_a_server_excuses_itself_with_passes() {
    for excuse in [
        "-LOADING Redis is loading the dataset in memory",
        "-BUSY Redis is busy running a script",
        "-TRYAGAIN Multiple keys request during rehashing of slot",
        "-CLUSTERDOWN Hash slot not served",
        "-MASTERDOWN Link with MASTER is down",
        "-READONLY You can't write against a read only replica.",
    ] {
        let fake = Fake::start(at_first(excuse));
        let net = connect(&fake.url()).await;
        let done = net.call(0, once(&[words("SET a 1")])).await;
        assert_eq!(done, Ok(vec![Value::Okay]), "{excuse}");
        assert_eq!(fake.seen().len(), 2, "{excuse}");
    }
}

#[tokio::test]
async fn excuses_do_not_pass_for_ever() {
    let fake = Fake::start(|_| Some("-LOADING Redis is loading".to_owned()));
    let net = connect_for(&fake.url(), SHORT).await;
    let (_, message) = unavailable(ask(&net, "GET a").await.unwrap_err());
    assert!(
        message.contains("LOADING") && message.contains("200ms"),
        "{message}"
    );
    assert!(fake.seen().len() > 1);

    let fake = Fake::start(|_| Some("-READONLY You can't write".to_owned()));
    let net = connect_for(&fake.url(), SHORT).await;
    assert_eq!(code(ask(&net, "SET a 1").await.unwrap_err()), "READONLY");
}

#[tokio::test]
async fn silence_ends_with_the_deadline_and_a_new_connection() {
    let answers = AtomicUsize::new(0);
    let (mute, hold) = std::sync::mpsc::channel::<()>();
    let hold = std::sync::Mutex::new(hold);
    let fake = Fake::start(move |_| {
        if answers.fetch_add(1, Ordering::SeqCst) == 0 {
            // Until the test ends.
            let _ = hold.lock().unwrap().recv();
        }
        Some("+OK".to_owned())
    });
    let net = connect_for(&fake.url(), SHORT).await;
    let (_, message) = unavailable(ask(&net, "GET a").await.unwrap_err());
    assert!(message.contains("no answer within"), "{message}");
    assert_eq!(ask(&net, "GET b").await, Ok(Value::Okay));
    assert_eq!(fake.connections(), 2);
    drop(mute);
}

#[tokio::test]
async fn what_no_attempt_helps_is_told_at_once() {
    let fake = Fake::start(|_| Some("-OOM command not allowed".to_owned()));
    let net = connect(&fake.url()).await;
    assert_eq!(code(ask(&net, "SET a 1").await.unwrap_err()), "OOM");
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn half_a_pipeline_is_not_sent_again() {
    let fake = Fake::start(|command| {
        let tryagain = command.ends_with('2');
        Some(if tryagain { "-TRYAGAIN later" } else { "+OK" }.to_owned())
    });
    let net = connect(&fake.url()).await;
    let both = [words("SET a 1"), words("SET b 2")];
    let (_, message) = unavailable(net.call(0, once(&both)).await.unwrap_err());
    assert!(message.contains("may have been executed"), "{message}");
    assert_eq!(fake.seen(), ["SET a 1", "SET b 2"]);
}

#[tokio::test]
async fn one_reconnect_serves_all_callers() {
    let fake = Fake::start(|_| Some("+OK".to_owned()));
    let net = connect(&fake.url()).await;
    assert_eq!(fake.connections(), 1);
    net.inner.topology.disconnect();
    let mut callers = JoinSet::new();
    for _ in 0..50 {
        let net = net.clone();
        callers.spawn(async move { ask(&net, "GET a").await });
    }
    for answer in callers.join_all().await {
        assert_eq!(answer, Ok(Value::Okay));
    }
    assert_eq!(fake.connections(), 2);
}

#[tokio::test]
async fn waiting_for_replicas_keeps_nobody_else_waiting() {
    let fake = Fake::start(|_| Some("+OK".to_owned()));
    let net = connect(&fake.url()).await;
    let commands = [words("SET a 1"), words("WAIT 1 100")];
    let call = Call {
        patience: Some(SHORT),
        ..Call::of(&commands)
    };
    assert_eq!(net.call(0, call).await, Ok(vec![Value::Okay, Value::Okay]));
    ask(&net, "GET a").await.unwrap();
    assert_eq!(fake.connections(), 2);
}

/// Two nodes that both say that all slots are the first one's, and answer as they are told otherwise.
fn pair(
    first: impl Fn(&str, u16) -> &'static str + Send + Sync + 'static,
    second: impl Fn(&str) -> &'static str + Send + Sync + 'static,
) -> (Fake, Fake) {
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (one, two) = (listen(), listen());
    let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
    let (at_one, at_two) = (port(&one), port(&two));
    let slots = Arc::new(format!(
        "*1\r\n*4\r\n:0\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:{at_one}\r\n$1\r\na\r\n*3\r\n$0\r\n\r\n:{at_two}\r\n$1\r\nb"
    ));
    let theirs = slots.clone();
    let named = move |said: &str| Some(said.replace("PORT", &at_two.to_string()));
    let one = Fake::start_at(one, move |command| match command {
        "CLUSTER SLOTS" => Some(slots.to_string()),
        command => named(first(command, at_two)),
    });
    let two = Fake::start_at(two, move |command| match command {
        "CLUSTER SLOTS" => Some(theirs.to_string()),
        command => Some(second(command).to_owned()),
    });
    (one, two)
}

fn cluster_url(fake: &Fake) -> String {
    format!("redis-cluster://127.0.0.1:{}", fake.port())
}

#[tokio::test]
async fn a_moved_slot_is_followed() {
    let (one, two) = pair(|_, _| "-MOVED 0 127.0.0.1:PORT", |_| "+OK");
    let net = connect(&cluster_url(&one)).await;
    let done = net.call(0, once(&[words("SET a 1")])).await;
    assert_eq!(done, Ok(vec![Value::Okay]));
    // The map was asked for where the slot is said to be.
    assert_eq!(two.seen(), ["CLUSTER SLOTS", "SET a 1"]);
}

#[tokio::test]
async fn a_key_on_the_move_is_asked_for_once() {
    let (one, two) = pair(
        |command, _| match command {
            "SET a 1" => "-ASK 0 127.0.0.1:PORT",
            _ => "+OK",
        },
        |_| "+OK",
    );
    let net = connect(&cluster_url(&one)).await;
    ask(&net, "SET a 1").await.unwrap();
    ask(&net, "SET b 1").await.unwrap();
    assert_eq!(two.seen(), ["ASKING", "SET a 1"]);
    assert_eq!(one.seen(), ["CLUSTER SLOTS", "SET a 1", "SET b 1"]);
}

#[tokio::test]
async fn the_script_is_loaded_where_the_key_moves_to() {
    let script = Script::new("return 1");
    let loaded = AtomicUsize::new(0);
    let (one, two) = pair(
        |_, _| "-ASK 0 127.0.0.1:PORT",
        move |command| match command {
            "SCRIPT LOAD return 1" => {
                loaded.fetch_add(1, Ordering::SeqCst);
                "+sha"
            }
            "EVALSHA x 0" if loaded.load(Ordering::SeqCst) == 0 => "-NOSCRIPT No matching script",
            "EVALSHA x 0" => ":1",
            _ => "+OK",
        },
    );
    let net = connect(&cluster_url(&one)).await;
    let commands = [words("EVALSHA x 0")];
    let call = Call {
        script: Some(&script),
        ..once(&commands)
    };
    assert_eq!(net.call(0, call).await, Ok(vec![Value::Int(1)]));
    let tried = ["ASKING", "EVALSHA x 0"];
    assert_eq!(two.seen()[..2], tried);
    assert_eq!(
        two.seen()[2..],
        ["SCRIPT LOAD return 1", "ASKING", "EVALSHA x 0"]
    );
}

#[tokio::test]
async fn a_silent_master_leaves_time_for_its_successor() {
    let calls = AtomicUsize::new(0);
    let (mute, hold) = std::sync::mpsc::channel::<()>();
    let hold = std::sync::Mutex::new(hold);
    let (one, _two) = pair(
        move |_, _| {
            if calls.fetch_add(1, Ordering::SeqCst) == 0 {
                // Until the test ends.
                let _ = hold.lock().unwrap().recv();
            }
            "+OK"
        },
        |_| "+OK",
    );
    let net = connect_for(&cluster_url(&one), Duration::from_secs(2)).await;
    assert_eq!(ask(&net, "SET a 1").await, Ok(Value::Okay));
    drop(mute);
}

#[tokio::test]
async fn a_refused_login_repeats_no_password() {
    let fake = Fake::start(|_| {
        Some("-ERR unknown command 'AUTH', with args beginning with: 'hush'".to_owned())
    });
    let error = refused(&format!("redis://:hush@127.0.0.1:{}", fake.port())).await;
    let shown = format!("{error} {error:?}");
    assert!(
        shown.contains("AUTH is refused") && !shown.contains("hush"),
        "{shown}"
    );
}

#[tokio::test]
async fn redirections_in_a_circle_end() {
    let (one, two) = pair(
        |_, _| "-ASK 0 127.0.0.1:PORT",
        |_| "-TRYAGAIN not all keys are here",
    );
    let net = connect_for(&cluster_url(&one), SHORT).await;
    let error = ask(&net, "SET a 1").await.unwrap_err();
    let (_, message) = unavailable(error);
    assert!(
        message.contains("TRYAGAIN") || message.contains("ASK"),
        "{message}"
    );
    // Doubling waits leave room for a few attempts only.
    assert!(one.seen().len() + two.seen().len() < 60);
}

#[tokio::test]
async fn a_sentinel_that_lags_behind_a_failover_is_asked_again() {
    let old = Fake::start(|_| Some("*1\r\n$5\r\nslave".to_owned()));
    let new = Fake::start(|command| {
        let role = command == "ROLE";
        Some(if role { "*1\r\n$6\r\nmaster" } else { "+OK" }.to_owned())
    });
    let named = |fake: &Fake| {
        let port = fake.port().to_string();
        format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}", port.len())
    };
    let (lagging, knowing) = (named(&old), named(&new));
    let one = Fake::start(move |_| Some(lagging.clone()));
    let two = Fake::start(move |_| Some(knowing.clone()));
    let url = format!(
        "redis-sentinel://127.0.0.1:{},127.0.0.1:{}/mine",
        one.port(),
        two.port()
    );
    let net = connect(&url).await;
    assert_eq!(net.address(0), new.url());
    ask(&net, "SET a 1").await.unwrap();
    assert_eq!(old.seen(), ["ROLE"]);
    assert_eq!(new.seen(), ["ROLE", "SET a 1"]);
    assert_eq!(one.seen(), ["SENTINEL GET-MASTER-ADDR-BY-NAME mine"]);
}

#[tokio::test]
async fn an_unknown_master_name_is_told() {
    let sentinel = Fake::start(|_| Some("*-1".to_owned()));
    let url = format!("redis-sentinel://127.0.0.1:{}/mine", sentinel.port());
    let message = refused(&url).await.to_string();
    assert!(message.contains("no master named mine"), "{message}");
}
