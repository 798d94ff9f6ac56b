//! A certificate authority of a test, with a server's and a client's certificate.

use gorgon_process::command;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The files of an authority.
#[derive(Debug)]
pub struct Certificates {
    directory: PathBuf,
}

impl Certificates {
    /// Makes an authority in a directory: `server` (localhost, 127.0.0.1) and `client`.
    pub fn make(directory: &Path) -> Certificates {
        let made = Certificates {
            directory: directory.to_owned(),
        };
        made.openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
             -subj /CN=gorgon-CA -keyout ca.key -out ca.pem",
        );
        for (name, extensions) in [
            (
                "server",
                "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n",
            ),
            (
                "client",
                "subjectAltName=DNS:client\nextendedKeyUsage=clientAuth\n",
            ),
        ] {
            made.issue(name, extensions, 825);
        }
        // What people have from older tools; the broker crate refuses it with the cure.
        made.openssl("ec -in client.key -out client.sec1");
        made
    }

    /// Makes `NAME.pem` and `NAME.key`, signed by the authority; with -1 day it has expired.
    pub fn issue(&self, name: &str, extensions: &str, days: i32) {
        std::fs::write(self.file(&format!("{name}.ext")), extensions)
            .expect("write the extensions of a certificate");
        self.openssl(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name} \
             -keyout {name}.key -out {name}.csr"
        ));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days {days} \
             -extfile {name}.ext -out {name}.pem"
        ));
    }

    fn openssl(&self, words: &str) {
        let mut openssl = Command::new("openssl");
        openssl
            .args(words.split_whitespace())
            .current_dir(&self.directory);
        command::run(openssl, Duration::from_secs(20), b"")
            .unwrap_or_else(|error| panic!("{error}: {:?}", error.said()));
    }

    /// Returns a file of the directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Returns the authority's certificate.
    pub fn ca(&self) -> PathBuf {
        self.file("ca.pem")
    }

    /// Returns the server's certificate.
    pub fn server_cert(&self) -> PathBuf {
        self.file("server.pem")
    }

    /// Returns the server's key.
    pub fn server_key(&self) -> PathBuf {
        self.file("server.key")
    }

    /// Returns the client's certificate.
    pub fn client_cert(&self) -> PathBuf {
        self.file("client.pem")
    }

    /// Returns the client's key, in PKCS#8.
    pub fn client_key(&self) -> PathBuf {
        self.file("client.key")
    }
}
