//! What makes summaries.

use std::time::Duration;

use super::Secret;
use crate::memory::{Extractive, InvalidEndpoint, OpenAi, Summarizer};

/// What makes summaries of what an agent has in its memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummarizerConfig {
    /// The address of a model's interface. Default: none; summaries are then made without a model.
    pub url: Option<String>,
    /// The model that is asked there. Default: none.
    pub model: Option<String>,
    /// The key that lets us ask. Default: none.
    pub key: Option<Secret>,
    /// How long each answer may take. Default: 1 min.
    pub timeout: Duration,
    /// Whether other machines may be asked without TLS. Default: no.
    pub allow_http: bool,
}

impl SummarizerConfig {
    /// The summarizer that these settings describe.
    pub fn summarizer(&self) -> Result<Box<dyn Summarizer>, InvalidEndpoint> {
        let Some(url) = &self.url else {
            return Ok(Box::new(Extractive::default()));
        };
        let model = self.model.as_ref().ok_or(InvalidEndpoint::NoModel)?;
        let asked = if self.allow_http {
            OpenAi::in_the_open(url, model)?
        } else {
            OpenAi::new(url, model)?
        };
        let asked = asked.deadline(self.timeout);
        Ok(Box::new(match &self.key {
            Some(key) => asked.key(key.clone()),
            None => asked,
        }))
    }
}

impl Default for SummarizerConfig {
    fn default() -> Self {
        Self {
            url: None,
            model: None,
            key: None,
            timeout: OpenAi::DEADLINE,
            allow_http: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_asked_where_one_is_named() {
        let mut config = SummarizerConfig::default();
        assert!(config.summarizer().is_ok());
        config.url = Some("http://models.example/v1".to_owned());
        let refused = |config: &SummarizerConfig| config.summarizer().err();
        assert_eq!(refused(&config), Some(InvalidEndpoint::NoModel));
        config.model = Some("small".to_owned());
        let in_the_open = Some(InvalidEndpoint::InTheOpen {
            host: "models.example".to_owned(),
        });
        assert_eq!(refused(&config), in_the_open);
        config.allow_http = true;
        assert_eq!(refused(&config), None);
    }
}
