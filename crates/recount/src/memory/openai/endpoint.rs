//! Where a model is asked.

use std::fmt;
use std::net::IpAddr;

use hyper::Uri;
use hyper::http::uri::Scheme;
use rustls::pki_types::ServerName;

use crate::memory::SummarizeError;

/// What completes the address that people are told of.
const COMPLETIONS: &str = "/chat/completions";

/// An address, taken apart. Shown without its query, which may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    tls: bool,
    host: String,
    /// The port, if it was given.
    port: Option<u16>,
    path: String,
    query: Option<String>,
}

impl Endpoint {
    pub(super) fn parse(url: &str) -> Result<Self, InvalidEndpoint> {
        let uri: Uri = url.trim().parse().map_err(|_| InvalidEndpoint::Form)?;
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(InvalidEndpoint::Form),
        };
        let authority = uri.authority().ok_or(InvalidEndpoint::Form)?;
        if authority.as_str().contains('@') {
            return Err(InvalidEndpoint::User);
        }
        let host = authority.host();
        if host.is_empty() {
            return Err(InvalidEndpoint::Form);
        }
        let port = match authority.as_str()[host.len()..].strip_prefix(':') {
            Some(port) => Some(port.parse().map_err(|_| InvalidEndpoint::Form)?),
            None => None,
        };
        let path = uri.path().trim_end_matches('/');
        let path = path.strip_suffix(COMPLETIONS).unwrap_or(path);
        Ok(Self {
            tls,
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            path: format!("{path}{COMPLETIONS}"),
            query: uri.query().map(str::to_owned),
        })
    }

    pub(super) fn is_tls(&self) -> bool {
        self.tls
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port.unwrap_or(if self.tls { 443 } else { 80 })
    }

    /// What stands in the request for the path.
    pub(super) fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// Host and port, as the request names them.
    pub(super) fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        match self.port {
            Some(port) => format!("{host}:{port}"),
            None => host,
        }
    }

    /// The name that the server's certificate must be for.
    pub(super) fn server_name(&self) -> Result<ServerName<'static>, String> {
        ServerName::try_from(self.host.clone())
            .map_err(|_| format!("no certificate can be for {:?}", self.host))
    }

    /// Whether others can read along.
    pub(super) fn is_in_the_open(&self) -> bool {
        let of_this_machine = match self.host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        };
        !self.tls && !of_this_machine
    }

    pub(super) fn unreachable(&self, message: impl Into<String>) -> SummarizeError {
        SummarizeError::Unreachable {
            address: self.to_string(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

/// Why no model can be asked there. Never repeats the address, which may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEndpoint {
    /// It is no such URL.
    #[error("this is no address of a model: write https://HOST/v1, or http://localhost:PORT/v1")]
    Form,
    /// It holds a user.
    #[error("the address holds a user or a password: leave them out, and give the key by itself")]
    User,
    /// Nobody said which model to ask.
    #[error("no model is named: set summarizer.model, such as gpt-5-mini")]
    NoModel,
    /// It is not encrypted, and of another machine.
    #[error(
        "http:// to {host} would show the messages to the network: write https://, or allow it (summarizer.allow_http)"
    )]
    InTheOpen {
        /// The machine.
        host: String,
    },
    /// What is to be trusted cannot be read.
    #[error("{file}: {message}")]
    Authority {
        /// The file.
        file: String,
        /// What is wrong with it.
        message: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_what_providers_tell_people() {
        for (url, host, port, target) in [
            (
                "https://api.openai.com/v1",
                "api.openai.com",
                443,
                "/v1/chat/completions",
            ),
            ("https://h/v1/", "h", 443, "/v1/chat/completions"),
            (
                " http://localhost:11434/v1\n",
                "localhost",
                11434,
                "/v1/chat/completions",
            ),
            ("http://127.0.0.1", "127.0.0.1", 80, "/chat/completions"),
            ("HTTP://[::1]:8080/", "::1", 8080, "/chat/completions"),
            (
                "https://h/v1/chat/completions",
                "h",
                443,
                "/v1/chat/completions",
            ),
            (
                "https://h/openai/deployments/d?api-version=2024",
                "h",
                443,
                "/openai/deployments/d/chat/completions?api-version=2024",
            ),
        ] {
            let endpoint = Endpoint::parse(url).unwrap();
            assert_eq!((endpoint.host(), endpoint.port()), (host, port), "{url}");
            assert_eq!(endpoint.target(), target, "{url}");
            assert!(!endpoint.to_string().contains("2024"), "{endpoint}");
        }
        let six = Endpoint::parse("http://[::1]:8080/v1").unwrap();
        assert_eq!(six.to_string(), "http://[::1]:8080/v1/chat/completions");
    }

    #[test]
    fn what_is_no_address_is_refused_and_no_secret_repeated() {
        for url in [
            "",
            "h",
            "h/v1",
            "/v1",
            "ftp://h",
            "https://",
            "https://:1",
            "https://h:",
            "http://h:x/",
        ] {
            assert_eq!(Endpoint::parse(url), Err(InvalidEndpoint::Form), "{url}");
        }
        let refused = Endpoint::parse("https://ada:hunter2@h/v1").unwrap_err();
        assert_eq!(refused, InvalidEndpoint::User);
        assert!(!refused.to_string().contains("hunter2"));
    }

    #[test]
    fn only_this_machine_is_asked_without_tls() {
        for url in [
            "http://localhost",
            "http://LOCALHOST:1",
            "http://127.9.9.9",
            "http://[::1]",
            "https://h",
        ] {
            assert!(!Endpoint::parse(url).unwrap().is_in_the_open(), "{url}");
        }
        for url in [
            "http://h",
            "http://10.0.0.1/v1",
            "http://localhost.evil.example",
            "http://[::2]",
        ] {
            assert!(Endpoint::parse(url).unwrap().is_in_the_open(), "{url}");
        }
    }
}
