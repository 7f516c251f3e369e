//! Certificates, and a server that wants them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Flavor, Server, port};

/// A certificate authority with a certificate for 127.0.0.1 and one for a client.
#[derive(Debug)]
pub struct Authority {
    directory: tempfile::TempDir,
}

impl Authority {
    /// Makes the keys and certificates with the `openssl` command.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let folder = directory.path();
        let authority = [
            "-x509",
            "-out",
            "ca.crt",
            "-subj",
            "/CN=Recount's tests",
            "-addext",
            "basicConstraints=critical,CA:TRUE",
        ];
        openssl(folder, &[&request("ca.key"), &authority[..]].concat());
        for name in ["server", "client"] {
            let key = format!("{name}.key");
            let csr = format!("{name}.csr");
            let crt = format!("{name}.crt");
            let subject = format!("/CN={name}");
            let wanted = ["-out", &csr, "-subj", &subject];
            openssl(folder, &[&request(&key), &wanted[..]].concat());
            let extensions =
                "basicConstraints=critical,CA:FALSE\nsubjectAltName=IP:127.0.0.1,DNS:localhost\n";
            fs::write(folder.join("extensions"), extensions).expect("a file is written");
            let signed = [
                "x509",
                "-req",
                "-in",
                &csr,
                "-out",
                &crt,
                "-CA",
                "ca.crt",
                "-CAkey",
                "ca.key",
                "-CAcreateserial",
                "-days",
                "2",
                "-extfile",
                "extensions",
            ];
            openssl(folder, &signed);
        }
        Self { directory }
    }

    /// The authority's own certificate.
    pub fn certificate(&self) -> PathBuf {
        self.directory.path().join("ca.crt")
    }

    /// A client's certificate and key.
    pub fn client(&self) -> (PathBuf, PathBuf) {
        let file = |name| self.directory.path().join(name);
        (file("client.crt"), file("client.key"))
    }

    /// Starts a server that speaks TLS on the returned port, and plainly on its usual one. With
    /// `ask_clients` it refuses clients without a certificate of this authority.
    pub fn serve(&self, flavor: Flavor, ask_clients: bool) -> (Server, u16) {
        self.serve_with(flavor, ask_clients, &[])
    }

    pub(crate) fn serve_with(
        &self,
        flavor: Flavor,
        ask_clients: bool,
        args: &[&str],
    ) -> (Server, u16) {
        let port = port::free();
        let file = |name: &str| self.directory.path().join(name).display().to_string();
        let own = [
            "--tls-port",
            &port.to_string(),
            "--tls-cert-file",
            &file("server.crt"),
            "--tls-key-file",
            &file("server.key"),
            "--tls-ca-cert-file",
            &file("ca.crt"),
            "--tls-auth-clients",
            if ask_clients { "yes" } else { "no" },
        ];
        (Server::start(flavor, &[&own, args].concat()), port)
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

/// The beginning of a command that makes a key and asks for something signed by it.
fn request(key: &str) -> [&str; 10] {
    let curve = "ec_paramgen_curve:prime256v1";
    [
        "req", "-newkey", "ec", "-pkeyopt", curve, "-nodes", "-keyout", key, "-days", "2",
    ]
}

fn openssl(directory: &Path, args: &[&str]) {
    let output = Command::new("openssl")
        .args(args)
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .expect("openssl starts: `cargo xtask servers` installs it, or says how to");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "openssl {} failed:\n{words}",
        args.join(" ")
    );
}
