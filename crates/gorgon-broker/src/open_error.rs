//! Why there is no session with the broker, and what the user can do about it.

use gorgon_process::exit::Hint;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why there is no session with the broker.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The name leads to no address.
    #[error("find the broker's host {host}")]
    NoHost {
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// Nobody listens there, or the network does not lead there.
    #[error("reach the broker at {address}")]
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
    #[error("the broker at {address} refuses the password of user {user:?}")]
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
    #[error("agree on TLS with the broker at {address}: {said}")]
    Tls {
        /// Host and port.
        address: String,
        /// What the TLS library said.
        said: String,
    },
    /// A certificate or key cannot be read.
    #[error("read the {what} in {}", path.display())]
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
    /// A certificate without a key, or a key without a certificate.
    #[error("{} needs its other half: a client has a certificate and a key, or neither", path.display())]
    HalfIdentity {
        /// The file that is configured.
        path: PathBuf,
    },
    /// The TLS library cannot be set up.
    #[error("set up TLS")]
    TlsSetup {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
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
    /// The system gives us no thread.
    #[error("start a thread for the broker")]
    Thread {
        /// Why.
        source: io::Error,
    },
}

impl OpenError {
    /// Returns whether another attempt would end the same way, so that waiting is no use.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::NoVhost { .. }
            | Self::Tls { .. }
            | Self::TlsFile { .. }
            | Self::KeyFormat { .. }
            | Self::HalfIdentity { .. }
            | Self::TlsSetup { .. }
            | Self::Declare { .. }
            | Self::Thread { .. } => true,
            Self::NoHost { .. }
            | Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::Closed { .. }
            | Self::WrongPassword { .. } => false,
        }
    }
}

impl Hint for OpenError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoHost { .. } => {
                "correct `host` of `connection` in gorgon.json (or GORGON_BROKER_URL)".to_owned()
            }
            Self::Unreachable { .. } | Self::Timeout { .. } => {
                "start RabbitMQ there, or run without one: gorgon-originator --local".to_owned()
            }
            Self::Closed { .. } => {
                "is it RabbitMQ's port (5672, or 5671 with TLS), and is `tls` configured as the broker has it?".to_owned()
            }
            Self::WrongPassword { .. } => {
                "correct `user` and `password` of `connection`; RabbitMQ lets `guest` in from its own machine only".to_owned()
            }
            Self::NoVhost { vhost, user, .. } => format!(
                "on the broker: rabbitmqctl add_vhost {vhost}; rabbitmqctl set_permissions -p {vhost} {user} '.*' '.*' '.*'"
            ),
            Self::Tls { .. } => {
                "compare `tls` {ca} and `host` of `connection` with the broker's certificate and port (5671); it may ask for a certificate of yours: {cert, key}".to_owned()
            }
            Self::KeyFormat { path } => {
                let path = path.display();
                format!("openssl pkcs8 -topk8 -nocrypt -in {path} -out {path}.p8, and configure that")
            }
            Self::Declare { .. } => {
                "403: the account lacks the right (configs/rabbitmq-permissions.sample); 406: another version of Gorgon has left it with other arguments: end its jobs and listeners, then `rabbitmqctl delete_queue NAME` (an exchange: in the management UI), and try again".to_owned()
            }
            Self::TlsFile { .. }
            | Self::HalfIdentity { .. }
            | Self::TlsSetup { .. }
            | Self::Thread { .. } => return None,
        };
        Some(hint)
    }
}
