//! One question and its answer over one connection.

use std::pin::pin;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT,
};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::OpenAi;
use super::answer::{self, Answer};
use super::endpoint::Endpoint;
use crate::config::Secret;
use crate::memory::SummarizeError;

/// Bytes of an answer to look at that says why there is none.
const REFUSAL_BYTES_MAX: usize = 64 << 10;

pub(super) struct Exchange<'a> {
    endpoint: &'a Endpoint,
    key: Option<&'a Secret>,
    request: Request<Full<Bytes>>,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(
        endpoint: &'a Endpoint,
        key: Option<&'a Secret>,
        body: Vec<u8>,
    ) -> Result<Self, SummarizeError> {
        let mut request = Request::post(endpoint.target())
            .header(HOST, endpoint.authority())
            .header(USER_AGENT, concat!("recount/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json");
        if let Some(key) = key {
            let bearer = format!("Bearer {}", key.reveal());
            let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| {
                endpoint.unreachable(
                    "the key holds characters that no header may have: is there a line break in it?",
                )
            })?;
            bearer.set_sensitive(true);
            request = request.header(AUTHORIZATION, bearer);
        }
        let request = request
            .body(Full::from(body))
            .map_err(|error| endpoint.unreachable(format!("no request can be made: {error}")))?;
        Ok(Self {
            endpoint,
            key,
            request,
        })
    }

    pub(super) async fn over(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    ) -> Result<Answer, SummarizeError> {
        let Self {
            endpoint,
            key,
            request,
        } = self;
        let broke = |error: hyper::Error| endpoint.unreachable(told(&error));
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broke)?;
        let answering = async {
            let response = sender.send_request(request).await.map_err(broke)?;
            read(endpoint, key, response).await
        };
        // A connection that ended may have left parts of the answer to be read; why it ended, the answer
        // says too.
        let driving = async {
            let _ = connection.await;
            std::future::pending().await
        };
        let (answering, driving) = (pin!(answering), pin!(driving));
        tokio::select! {
            answer = answering => answer,
            never = driving => never,
        }
    }
}

async fn read(
    endpoint: &Endpoint,
    key: Option<&Secret>,
    response: Response<Incoming>,
) -> Result<Answer, SummarizeError> {
    let status = response.status();
    if !status.is_success() {
        return Err(refusal(endpoint, key, response).await);
    }
    let bytes_max = OpenAi::ANSWER_BYTES_MAX;
    let body = Limited::new(response.into_body(), bytes_max)
        .collect()
        .await;
    let body = body.map_err(|error| {
        if error.is::<LengthLimitError>() {
            SummarizeError::TooLarge {
                address: endpoint.to_string(),
                bytes_max,
            }
        } else {
            endpoint.unreachable(format!("the answer broke off: {error}"))
        }
    })?;
    answer::parse(&body.to_bytes()).map_err(|what| SummarizeError::Answer {
        address: endpoint.to_string(),
        what: hidden(what, key),
    })
}

/// Why there is no answer, in the server's words as far as they are short.
async fn refusal(
    endpoint: &Endpoint,
    key: Option<&Secret>,
    response: Response<Incoming>,
) -> SummarizeError {
    let status = response.status();
    let header = |name| {
        let value: Option<&HeaderValue> = response.headers().get(name);
        value
            .and_then(|value| value.to_str().ok())
            .map(answer::short)
    };
    let mut hint = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            "check the key, RECOUNT_SUMMARIZER_KEY".to_owned()
        }
        StatusCode::NOT_FOUND => "check summarizer.url and summarizer.model".to_owned(),
        StatusCode::TOO_MANY_REQUESTS => match header(RETRY_AFTER) {
            Some(after) => format!("ask again later (Retry-After: {after})"),
            None => "ask again later".to_owned(),
        },
        _ if status.is_redirection() => match header(LOCATION) {
            Some(place) => format!("redirections are not followed: is it at {place}?"),
            None => "redirections are not followed: check summarizer.url".to_owned(),
        },
        _ if status.is_server_error() => "ask again later".to_owned(),
        _ => "check summarizer.url and summarizer.model".to_owned(),
    };
    // What is too long to be read is no explanation.
    let body = Limited::new(response.into_body(), REFUSAL_BYTES_MAX)
        .collect()
        .await;
    let said = body
        .ok()
        .and_then(|body| answer::explanation(&body.to_bytes()));
    if let Some(said) = said {
        hint = format!("{said} ({hint})");
    }
    SummarizeError::Status {
        address: endpoint.to_string(),
        status: status.as_u16(),
        message: hidden(hint, key),
    }
}

/// `text` without the key, which servers repeat.
fn hidden(text: String, key: Option<&Secret>) -> String {
    match key.map(Secret::reveal) {
        Some(key) if !key.is_empty() => text.replace(key, "***"),
        _ => text,
    }
}

/// An error with what caused it: hyper's own words say little.
fn told(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
