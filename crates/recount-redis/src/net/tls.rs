//! TLS: whom to trust, and who we are.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::url::TlsFiles;

/// What connections over TLS use. The error says what is wrong with which file.
pub(super) fn client_config(files: &TlsFiles) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let trusting = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?
        .with_root_certificates(roots(files.ca.as_deref())?);
    let config = match &files.client {
        None => trusting.with_no_client_auth(),
        Some((cert, key)) => {
            let chain = certificates(cert)?;
            let private = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| unusable("private key (key=)", key, error))?;
            trusting
                .with_client_auth_cert(chain, private)
                .map_err(|error| unusable("client certificate (cert=) with its key", cert, error))?
        }
    };
    Ok(Arc::new(config))
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca {
        for certificate in certificates(path)? {
            roots
                .add(certificate)
                .map_err(|error| unusable("authority (ca=)", path, error))?;
        }
    } else {
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
        if roots.is_empty() {
            return Err(
                "this system has no certificates of authorities: install ca-certificates, or name one with ?ca=FILE"
                    .to_owned(),
            );
        }
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let what = "certificate";
    if path.as_os_str().is_empty() {
        return Err("a certificate's file has no name: write ?ca=FILE, or leave it out".to_owned());
    }
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(what, path, error))?;
    if found.is_empty() {
        return Err(unusable(what, path, "the file has none in PEM form"));
    }
    Ok(found)
}

fn unusable(what: &str, path: &Path, error: impl Display) -> String {
    format!("the {what} in {} cannot be used: {error}", path.display())
}
