//! What makes a summary of messages.

use std::time::Duration;

use async_trait::async_trait;

/// Makes a summary of what was said: [`Extractive`](super::Extractive) without a model,
/// [`OpenAi`](super::OpenAi) with one, or your own.
///
/// ```
/// use recount::async_trait;
/// use recount::memory::{Said, Summarizer, SummarizeError, Summary, SummaryRequest};
///
/// /// Keeps the last thing that was said.
/// struct LastWord;
///
/// #[async_trait]
/// impl Summarizer for LastWord {
///     async fn summarize(&self, request: &SummaryRequest) -> Result<Summary, SummarizeError> {
///         let last = request.said.last().ok_or(SummarizeError::Nothing)?;
///         Ok(Summary::new(&last.text, "last-word"))
///     }
/// }
/// # let request = SummaryRequest { said: vec![Said::new("user", "Bye")], ..SummaryRequest::default() };
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # assert_eq!(runtime.block_on(LastWord.summarize(&request)).unwrap().text, "Bye");
/// ```
#[async_trait]
pub trait Summarizer: Send + Sync {
    /// A summary of everything that `request` holds: what it says stands for the earlier summary too, which is
    /// not looked at again.
    async fn summarize(&self, request: &SummaryRequest) -> Result<Summary, SummarizeError>;
}

/// What is to be summarised.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SummaryRequest {
    /// The session it was said in.
    pub session_id: String,
    /// The summary of what was said before, if there is one.
    pub earlier: Option<String>,
    /// What was said since, oldest first.
    pub said: Vec<Said>,
}

/// A message, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Who said it: `user`, `assistant`, ...
    pub role: String,
    /// What.
    pub text: String,
}

impl Said {
    /// What somebody said.
    pub fn new(role: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            role: role.into(),
            text: text.into(),
        }
    }
}

/// A summary.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// What it says.
    pub text: String,
    /// What made it: a model, or a method.
    pub model: String,
    /// Tokens that the model read, where that is known.
    pub tokens_in: Option<u64>,
    /// Tokens that the model wrote, where that is known.
    pub tokens_out: Option<u64>,
}

impl Summary {
    /// A summary of which nothing more is known than what made it.
    pub fn new(text: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            model: model.into(),
            ..Self::default()
        }
    }
}

/// Why there is no summary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SummarizeError {
    /// There is no text in what was to be summarised.
    #[error("there is nothing to summarise: no message holds text")]
    Nothing,
    /// The model's server could not be reached, or the connection broke.
    #[error("the summarizer at {address} could not be asked: {message}")]
    Unreachable {
        /// Where it was looked for, without secrets.
        address: String,
        /// What happened.
        message: String,
    },
    /// It took too long.
    #[error(
        "the summarizer at {address} did not answer within {waited:?}: ask again, or set a longer summarizer.timeout"
    )]
    Late {
        /// Who did not answer.
        address: String,
        /// How long it had.
        waited: Duration,
    },
    /// It refused.
    #[error("the summarizer at {address} refused with HTTP status {status}: {message}")]
    Status {
        /// Who refused.
        address: String,
        /// The status.
        status: u16,
        /// What it said, and what to do.
        message: String,
    },
    /// It answered more than a summary can be.
    #[error(
        "the summarizer at {address} answered more than {bytes_max} bytes, which is no summary: check summarizer.url"
    )]
    TooLarge {
        /// Who answered.
        address: String,
        /// How many bytes were allowed.
        bytes_max: usize,
    },
    /// Its answer is not that of a chat completion.
    #[error(
        "the summarizer at {address} answered, but {what}: check summarizer.url and summarizer.model"
    )]
    Answer {
        /// Who answered.
        address: String,
        /// What is wrong with the answer.
        what: String,
    },
    /// A summarizer of your own failed, in its own words.
    #[error("{0}")]
    Failed(String),
}

impl SummarizeError {
    /// A stable name for programs to tell errors apart by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Unreachable { .. } => "unreachable",
            Self::Late { .. } => "late",
            Self::Status { .. } => "status",
            Self::TooLarge { .. } => "too_large",
            Self::Answer { .. } => "answer",
            Self::Failed(_) => "failed",
        }
    }
}
