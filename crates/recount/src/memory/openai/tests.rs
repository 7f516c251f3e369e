//! A model's interface, played by a small server.

mod server;

use std::time::Duration;

use serde_json::{Value, json};

use self::server::{Server, completion, response};
use super::*;
use crate::memory::Said;

const KEY: &str = "sk-hunter2";

fn asking(url: &str) -> OpenAi {
    OpenAi::new(url, "small").unwrap().key(Secret::new(KEY))
}

fn talk() -> SummaryRequest {
    SummaryRequest {
        session_id: "s1".to_owned(),
        earlier: None,
        said: vec![Said::new("user", "Hello"), Said::new("assistant", "Hi")],
    }
}

/// What becomes of the talk if it is answered so. Whatever goes wrong, the key is not told.
async fn answered(answer: Vec<u8>) -> Result<Summary, SummarizeError> {
    let server = Server::answering(vec![answer]).await;
    let result = asking(&server.url()).summarize(&talk()).await;
    if let Err(error) = &result {
        let told = format!("{error} {error:?}");
        assert!(!told.contains("hunter2"), "{told}");
        assert!(told.contains(&server.url()), "{told}");
    }
    result
}

#[tokio::test]
async fn a_model_is_asked_and_its_answer_is_the_summary() {
    let answer = completion("They greeted each other.");
    let server = Server::answering(vec![response("200 OK", &answer.to_string())]).await;
    let asked = asking(&server.url());
    assert!(!format!("{asked:?}").contains("hunter2"));
    let summary = asked.summarize(&talk()).await.unwrap();
    assert_eq!(
        summary,
        Summary {
            text: "They greeted each other.".to_owned(),
            model: "small-2".to_owned(),
            tokens_in: Some(20),
            tokens_out: Some(5),
        }
    );
    let [request] = &server.requests().await[..] else {
        panic!("one question");
    };
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"),
        "{head}"
    );
    let address = server.url().replace("http://", "").replace("/v1", "");
    for line in [
        format!("host: {address}"),
        format!("authorization: Bearer {KEY}"),
        "content-type: application/json".to_owned(),
    ] {
        assert!(
            head.lines().any(|found| found == line),
            "no {line} in {head}"
        );
    }
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["model"], "small");
    assert_eq!(
        body["messages"][1]["content"],
        "user: Hello\nassistant: Hi\n"
    );
}

#[tokio::test]
async fn an_answer_in_pieces_is_one_answer() {
    let whole = completion("Fine.").to_string();
    let (a, b) = whole.split_at(10);
    let chunked = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{a}\r\n{:x}\r\n{b}\r\n0\r\n\r\n",
        a.len(),
        b.len()
    );
    assert_eq!(answered(chunked.into()).await.unwrap().text, "Fine.");
    // Of a length that only the end of the connection tells.
    let until_the_end = format!("HTTP/1.0 200 OK\r\n\r\n{whole}");
    assert_eq!(answered(until_the_end.into()).await.unwrap().text, "Fine.");
}

#[tokio::test]
async fn a_refusal_is_told_with_what_to_do() {
    for (status, headers, body, words) in [
        (
            "401 Unauthorized",
            "",
            format!(r#"{{"error":{{"message":"Incorrect API key: {KEY}."}}}}"#),
            &[
                "status 401",
                "Incorrect API key: ***.",
                "RECOUNT_SUMMARIZER_KEY",
            ][..],
        ),
        (
            "404 Not Found",
            "",
            "no such model".into(),
            &["404", "no such model", "summarizer.model"],
        ),
        (
            "429 Too Many Requests",
            "retry-after: 20\r\n",
            String::new(),
            &["429", "Retry-After: 20"],
        ),
        (
            "302 Found",
            "location: https://elsewhere.example/v1\r\n",
            String::new(),
            &["302", "not followed", "https://elsewhere.example/v1"],
        ),
        (
            "500 Oops",
            "",
            "<html>a page</html>".into(),
            &["500: ask again later"],
        ),
        (
            "503 Busy",
            "",
            "x".repeat(200_000),
            &["503: ask again later"],
        ),
    ] {
        let length = body.len();
        let answer =
            format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}");
        let refused = answered(answer.into()).await.unwrap_err();
        assert_eq!(refused.code(), "status");
        for word in words {
            assert!(refused.to_string().contains(word), "no {word} in {refused}");
        }
    }
}

#[tokio::test]
async fn what_is_no_answer_is_told() {
    for (body, words) in [
        ("no JSON".to_owned(), "not with a chat completion"),
        (json!({"choices": []}).to_string(), "without choices"),
        (completion("").to_string(), "with an empty summary"),
        // It repeats what it was asked with.
        (format!("{{\"you\":\"{KEY}\"}}"), "***"),
    ] {
        let error = answered(response("200 OK", &body)).await.unwrap_err();
        assert_eq!(error.code(), "answer");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_read() {
    let large = "x".repeat(OpenAi::ANSWER_BYTES_MAX + 1);
    let whole = response("200 OK", &large);
    let endless = format!("HTTP/1.0 200 OK\r\n\r\n{large}").into_bytes();
    for answer in [whole, endless] {
        let error = answered(answer).await.unwrap_err();
        assert_eq!(error.code(), "too_large", "{error}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_told() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec();
    let error = answered(half).await.unwrap_err();
    assert!(error.to_string().contains("broke off"), "{error}");
    for answer in [&b""[..], b"HTT", b"SSH-2.0-OpenSSH_9\r\n"] {
        let error = answered(answer.to_vec()).await.unwrap_err();
        assert_eq!(error.code(), "unreachable", "{error}");
    }
}

#[tokio::test]
async fn where_nobody_listens_that_is_told() {
    let error = asking(&Server::nobody())
        .summarize(&talk())
        .await
        .unwrap_err();
    assert_eq!(error.code(), "unreachable");
    assert!(error.to_string().contains("is it running"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_its_time_is_not_waited_for_longer_than_allowed() {
    let server = Server::silent().await;
    let waited = Duration::from_secs(7);
    let asking = asking(&server.url()).deadline(waited);
    let error = asking.summarize(&talk()).await.unwrap_err();
    let late = SummarizeError::Late {
        address: format!("{}/chat/completions", server.url()),
        waited,
    };
    assert_eq!(error, late);
}

#[tokio::test]
async fn a_key_that_no_header_can_hold_is_refused_and_not_shown() {
    let asking = OpenAi::new(&Server::nobody(), "small").unwrap();
    let asking = asking.key(Secret::new("hunter2\n"));
    let error = asking.summarize(&talk()).await.unwrap_err().to_string();
    assert!(
        error.contains("line break") && !error.contains("hunter2"),
        "{error}"
    );
}

#[tokio::test]
async fn a_long_talk_is_asked_about_in_parts_each_with_the_summary_so_far() {
    let answers =
        ["First.", "Second."].map(|text| response("200 OK", &completion(text).to_string()));
    let server = Server::answering(answers.to_vec()).await;
    let request = SummaryRequest {
        earlier: Some("Before.".to_owned()),
        said: ["a", "b"]
            .map(|letter| Said::new("user", letter.repeat(200_000)))
            .to_vec(),
        ..talk()
    };
    let summary = asking(&server.url()).summarize(&request).await.unwrap();
    assert_eq!(summary.text, "Second.");
    assert_eq!(
        (summary.tokens_in, summary.tokens_out),
        (Some(40), Some(10))
    );
    let requests = server.requests().await;
    let [first, second] = &requests[..] else {
        panic!("{} questions", requests.len());
    };
    assert!(first.contains("Before.") && first.contains("aaa") && !first.contains("bbb"));
    assert!(second.contains("First.") && !second.contains("Before.") && !second.contains("aaa"));
}

#[tokio::test]
async fn without_anything_said_nobody_is_asked() {
    let request = SummaryRequest::default();
    let error = asking(&Server::nobody())
        .summarize(&request)
        .await
        .unwrap_err();
    assert_eq!(error, SummarizeError::Nothing);
}

#[cfg(unix)]
#[tokio::test]
async fn over_tls_a_server_must_be_whom_the_authority_names() {
    let authority = recount_testbed::Authority::new();
    let answer = response("200 OK", &completion("Safe.").to_string());
    let folder = authority.certificate();
    let folder = folder.parent().unwrap();
    let server = Server::with_tls(folder, vec![answer]).await;
    let known = asking(&server.url())
        .authority(&authority.certificate())
        .unwrap();
    assert_eq!(known.summarize(&talk()).await.unwrap().text, "Safe.");

    // The system does not know it.
    let server = Server::with_tls(folder, vec![]).await;
    let error = asking(&server.url()).summarize(&talk()).await.unwrap_err();
    assert_eq!(error.code(), "unreachable", "{error}");
    assert!(!error.to_string().contains("hunter2"), "{error}");

    let no_pem = asking(&server.url()).authority(&folder.join("server.key"));
    assert!(matches!(no_pem, Err(InvalidEndpoint::Authority { .. })));
}
