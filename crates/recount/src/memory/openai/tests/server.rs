//! A server that answers what it is told to.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio_rustls::TlsAcceptor;

pub(super) struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// One that answers each connection with the next of `answers` once it was asked, and closes it.
    pub(super) async fn answering(answers: Vec<Vec<u8>>) -> Self {
        let (listener, server) = Self::listening("http").await;
        let requests = Arc::clone(&server.requests);
        tokio::spawn(async move {
            for answer in answers {
                let (stream, _) = listener.accept().await.unwrap();
                answer_one(stream, &answer, &requests).await;
            }
        });
        server
    }

    /// One that speaks TLS, with the certificate and the key in `folder`.
    pub(super) async fn with_tls(folder: &Path, answers: Vec<Vec<u8>>) -> Self {
        let chain = CertificateDer::pem_file_iter(folder.join("server.crt")).unwrap();
        let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (listener, server) = Self::listening("https").await;
        let requests = Arc::clone(&server.requests);
        tokio::spawn(async move {
            let mut answers = answers.into_iter();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // Whoever does not trust it hangs up.
                if let Ok(stream) = acceptor.accept(stream).await {
                    answer_one(stream, &answers.next().unwrap_or_default(), &requests).await;
                }
            }
        });
        server
    }

    /// One that never answers.
    pub(super) async fn silent() -> Self {
        let (listener, server) = Self::listening("http").await;
        tokio::spawn(async move {
            let _open = listener.accept().await;
            std::future::pending::<()>().await;
        });
        server
    }

    /// The address of a server that is not there.
    pub(super) fn nobody() -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/v1", listener.local_addr().unwrap())
    }

    pub(super) fn url(&self) -> String {
        self.url.clone()
    }

    /// What it was asked.
    pub(super) async fn requests(&self) -> Vec<String> {
        self.requests.lock().await.clone()
    }

    async fn listening(scheme: &str) -> (TcpListener, Self) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{scheme}://{}/v1", listener.local_addr().unwrap());
        let requests = Arc::default();
        (listener, Self { url, requests })
    }
}

async fn answer_one(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: &[u8],
    requests: &Mutex<Vec<String>>,
) {
    let mut request = Vec::new();
    while !is_whole(&request) {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    requests
        .lock()
        .await
        .push(String::from_utf8(request).unwrap());
    // Whoever asked may have read enough.
    let _ = stream.write_all(answer).await;
    let _ = stream.shutdown().await;
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    length
        .and_then(|length| length.parse().ok())
        .is_some_and(|length: usize| body.len() >= length)
}

pub(super) fn response(status: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The answer of a model that says `text`.
pub(super) fn completion(text: &str) -> Value {
    json!({
        "model": "small-2",
        "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 5},
    })
}
