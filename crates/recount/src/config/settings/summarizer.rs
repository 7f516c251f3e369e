//! The settings of what makes summaries.

use std::time::Duration;

use super::{DAY, Field, Setting};
use crate::config::Secret;
use crate::config::excerpt::{masked, repeated};
use crate::memory::OpenAi;

/// The word for no model.
const NONE: &str = "none";

pub(super) const URL: Setting = Setting::new(
    "summarizer.url",
    "Where recount memory summarize asks a model for summaries: the part of the address that stands before \
     /chat/completions, of OpenAI or of whoever answers as it does; none: summaries are made without a model",
    Field::Text {
        example: "https://api.openai.com/v1",
        get: |config| {
            let url = config.summarizer.url.as_deref();
            masked(url.unwrap_or(NONE))
        },
        set: |config, text| {
            let url = (text != NONE).then(|| text.to_owned());
            if let Some(url) = &url {
                // Whether it may be asked without TLS is said elsewhere.
                OpenAi::in_the_open(url, "").map_err(|error| error.to_string())?;
            }
            config.summarizer.url = url;
            Ok(())
        },
    },
);

pub(super) const MODEL: Setting = Setting::new(
    "summarizer.model",
    "The model that is asked there",
    Field::Text {
        example: "gpt-5-mini",
        get: |config| {
            let model = config.summarizer.model.as_deref();
            model.unwrap_or(NONE).to_owned()
        },
        set: |config, text| {
            if text.is_empty() || text.chars().any(char::is_control) {
                return Err(format!("{} names no model", repeated(text)));
            }
            config.summarizer.model = (text != NONE).then(|| text.to_owned());
            Ok(())
        },
    },
);

pub(super) const KEY: Setting = Setting::new(
    "summarizer.key",
    "The key that lets us ask there, if there must be one. Never shown",
    Field::Secret {
        get: |config| config.summarizer.key.is_some(),
        set: |config, text| {
            config.summarizer.key = (!text.is_empty()).then(|| Secret::new(text));
        },
    },
);

pub(super) const TIMEOUT: Setting = Setting::new(
    "summarizer.timeout",
    "How long a model has for each answer",
    Field::Span {
        range: Duration::from_millis(1)..=DAY,
        get: |config| config.summarizer.timeout,
        set: |config, span| config.summarizer.timeout = span,
    },
);

pub(super) const ALLOW_HTTP: Setting = Setting::new(
    "summarizer.allow_http",
    "Ask other machines without TLS, too: whoever is on the network reads the messages and the key",
    Field::Switch {
        get: |config| config.summarizer.allow_http,
        set: |config, allowed| config.summarizer.allow_http = allowed,
    },
);
