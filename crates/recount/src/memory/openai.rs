//! A summary by a model behind an interface like `OpenAI`'s.

mod answer;
mod endpoint;
mod exchange;
mod prompt;
mod tls;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use self::answer::Answer;
use self::endpoint::Endpoint;
pub use self::endpoint::InvalidEndpoint;
use self::exchange::Exchange;
use super::{SummarizeError, Summarizer, Summary, SummaryRequest};
use crate::config::Secret;

/// Bytes of text that a model is asked about at a time.
const ASKED_BYTES_MAX: usize = 256 << 10;

/// Asks a model for summaries over HTTP, by *chat completions*: what `OpenAI` began and nearly every other
/// provider and local server (vLLM, llama.cpp, Ollama) answers too.
///
/// What is too long for one question is asked about in several, each with the summary of what came before.
/// Redirections are not followed, and nothing is asked twice.
///
/// ```
/// use recount::config::Secret;
/// use recount::memory::OpenAi;
///
/// let local = OpenAi::new("http://localhost:11434/v1", "qwen3")?;
/// let hosted = OpenAi::new("https://api.openai.com/v1", "gpt-5-mini")?.key(Secret::new("sk-..."));
/// assert!(!format!("{hosted:?}").contains("sk-"));
/// // In the open, the messages would be for everybody to read.
/// assert!(OpenAi::new("http://api.openai.com/v1", "gpt-5-mini").is_err());
/// # Ok::<(), recount::memory::InvalidEndpoint>(())
/// ```
#[derive(Clone)]
pub struct OpenAi {
    endpoint: Endpoint,
    model: String,
    key: Option<Secret>,
    deadline: Duration,
    /// What connections over TLS use, once it is not what the system suggests.
    tls: Option<Arc<ClientConfig>>,
}

impl OpenAi {
    /// How long a model has for its answer unless [`OpenAi::deadline`] says otherwise.
    pub const DEADLINE: Duration = Duration::from_mins(1);
    /// Bytes of an answer at most.
    pub const ANSWER_BYTES_MAX: usize = 1 << 20;

    /// Asks `model` at `url`, the part of the address that stands before `/chat/completions`. Without TLS only
    /// this machine is asked.
    pub fn new(url: &str, model: impl Into<String>) -> Result<Self, InvalidEndpoint> {
        let asked = Self::in_the_open(url, model)?;
        if asked.endpoint.is_in_the_open() {
            return Err(InvalidEndpoint::InTheOpen {
                host: asked.endpoint.host().to_owned(),
            });
        }
        Ok(asked)
    }

    /// As [`OpenAi::new`], also over a network without TLS: whoever is on it reads the messages and the key.
    pub fn in_the_open(url: &str, model: impl Into<String>) -> Result<Self, InvalidEndpoint> {
        Ok(Self {
            endpoint: Endpoint::parse(url)?,
            model: model.into(),
            key: None,
            deadline: Self::DEADLINE,
            tls: None,
        })
    }

    /// The key that lets us ask, if there must be one. It is sent and never shown.
    #[must_use]
    pub fn key(mut self, key: Secret) -> Self {
        self.key = Some(key);
        self
    }

    /// How long each answer may take, from the connection to its last byte.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Trusts the authorities in this file, in PEM form, instead of the system's.
    pub fn authority(mut self, file: &Path) -> Result<Self, InvalidEndpoint> {
        self.tls = Some(tls::trusting(file)?);
        Ok(self)
    }

    async fn ask(&self, request: &SummaryRequest) -> Result<Summary, SummarizeError> {
        let body = prompt::body(&self.model, request);
        let late = || SummarizeError::Late {
            address: self.endpoint.to_string(),
            waited: self.deadline,
        };
        let asking = async {
            let exchange = self.exchange(body)?;
            self.send(exchange).await
        };
        let answer = tokio::time::timeout(self.deadline, asking);
        let answer = answer.await.map_err(|_| late())??;
        Ok(answer.summary(&self.model))
    }

    fn exchange(&self, body: Vec<u8>) -> Result<Exchange<'_>, SummarizeError> {
        Exchange::new(&self.endpoint, self.key.as_ref(), body)
    }

    async fn send(&self, exchange: Exchange<'_>) -> Result<Answer, SummarizeError> {
        let endpoint = &self.endpoint;
        let failed = |message: String| endpoint.unreachable(message);
        let stream = TcpStream::connect((endpoint.host(), endpoint.port()))
            .await
            .map_err(|error| {
                failed(format!(
                    "{error}: is it running, and is summarizer.url right?"
                ))
            })?;
        if !endpoint.is_tls() {
            return exchange.over(stream).await;
        }
        let tls = match &self.tls {
            Some(tls) => Arc::clone(tls),
            None => tls::of_the_system().map_err(failed)?,
        };
        let name = endpoint.server_name().map_err(failed)?;
        let stream = TlsConnector::from(tls)
            .connect(name, stream)
            .await
            .map_err(|error| failed(format!("no TLS connection: {error}")))?;
        exchange.over(stream).await
    }
}

#[async_trait]
impl Summarizer for OpenAi {
    async fn summarize(&self, request: &SummaryRequest) -> Result<Summary, SummarizeError> {
        let mut whole: Option<Summary> = None;
        for mut part in prompt::parts(request, ASKED_BYTES_MAX) {
            if let Some(before) = &whole {
                part.earlier = Some(before.text.clone());
            }
            let mut summary = self.ask(&part).await?;
            if let Some(before) = whole {
                let sum = |a: Option<u64>, b: Option<u64>| Some(a?.saturating_add(b?));
                summary.tokens_in = sum(before.tokens_in, summary.tokens_in);
                summary.tokens_out = sum(before.tokens_out, summary.tokens_out);
            }
            whole = Some(summary);
        }
        whole.ok_or(SummarizeError::Nothing)
    }
}

impl fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAi")
            .field("endpoint", &self.endpoint.to_string())
            .field("model", &self.model)
            .field("key", &self.key)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
