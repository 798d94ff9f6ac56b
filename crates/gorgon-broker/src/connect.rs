//! One connection: socket, TLS, login, under a total limit.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why there is no session with the broker.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The name leads to no address.
    #[error("cannot find the broker's host {host}")]
    NoHost {
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// Nobody listens there.
    #[error("cannot reach the broker at {address}")]
    Refused {
        /// Host and port.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The network does not lead there.
    #[error("cannot reach the broker at {address}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// No answer in time.
    #[error("no answer from the broker at {address} within {limit:.1?}")]
    Timeout {
        /// Host and port.
        address: String,
        /// How long we waited.
        limit: Duration,
    },
    /// Somebody answers there, but not as a broker does, or went away while we logged in.
    #[error("the broker at {address} ended the conversation: {said}")]
    Closed {
        /// Host and port.
        address: String,
        /// What we heard.
        said: String,
    },
    /// Refused twice in a row.
    #[error("the broker at {address} refuses user {user:?} with this password")]
    WrongPassword {
        /// Host and port.
        address: String,
        /// The user.
        user: String,
    },
    /// The virtual host does not exist, or is closed to this user.
    #[error(
        "the broker at {address} does not let user {user:?} into virtual host {vhost:?}: {said}"
    )]
    NoVhost {
        /// Host and port.
        address: String,
        /// The user.
        user: String,
        /// The virtual host.
        vhost: String,
        /// The broker's words.
        said: String,
    },
    /// The TLS handshake was in vain.
    #[error("cannot agree on TLS with the broker at {address}: {said}")]
    Tls {
        /// Host and port.
        address: String,
        /// What the TLS library said.
        said: String,
    },
    /// A certificate or key cannot be read.
    #[error("cannot read the {what} in {}", path.display())]
    TlsFile {
        /// Certificate or key, and whose.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A private key in another format than PKCS#8.
    #[error("the private key in {} is not in PKCS#8", path.display())]
    KeyFormat {
        /// The file.
        path: PathBuf,
    },
    /// An exchange or queue cannot be had, e.g. exists with other properties.
    #[error("the broker at {address} refuses {what}: {said}")]
    Declare {
        /// Host and port.
        address: String,
        /// What we wanted.
        what: String,
        /// The broker's words.
        said: String,
    },
}

impl OpenError {
    /// Tells what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        None
    }
}
