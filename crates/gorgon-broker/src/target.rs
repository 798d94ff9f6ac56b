//! Where the broker is and how to log in.

use gorgon_proto::config;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where the broker is and how to log in.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User.
    pub user: String,
    /// Password; never shown.
    pub password: String,
    /// Virtual host.
    pub vhost: String,
    /// Whole seconds, at least one: less is taken as one, a heartbeat of zero would never notice a dead broker.
    pub heartbeat: Duration,
    /// How long the first connection may take ([`crate::Session::open`]).
    pub limit: Duration,
    /// How to encrypt; `None` is clear text.
    pub tls: Option<Tls>,
}

/// How to encrypt the connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// The authority that signed the broker's certificate (PEM); without it the system's.
    pub ca: Option<PathBuf>,
    /// Our certificate (PEM), if the broker asks for one.
    pub cert: Option<PathBuf>,
    /// The key of our certificate (PEM, PKCS#8).
    pub key: Option<PathBuf>,
    /// The name in the broker's certificate, when it is not the host we connect to.
    pub server_name: Option<String>,
}

impl Default for Target {
    fn default() -> Target {
        Target {
            host: "127.0.0.1".to_owned(),
            port: 5672,
            user: "guest".to_owned(),
            password: "guest".to_owned(),
            vhost: "/".to_owned(),
            heartbeat: config::connection::HEARTBEAT,
            limit: config::connection::CONNECT_LIMIT,
            tls: None,
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .field("vhost", &self.vhost)
            .field("heartbeat", &self.heartbeat)
            .field("limit", &self.limit)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl From<&config::Connection> for Target {
    fn from(connection: &config::Connection) -> Target {
        Target {
            host: connection.host.clone(),
            port: connection.port,
            user: connection.user.clone(),
            password: connection.password.0.clone(),
            vhost: connection.vhost.clone(),
            heartbeat: connection.heartbeat,
            limit: connection.timeout,
            tls: connection.tls.as_ref().map(|tls| Tls {
                ca: tls.ca.clone(),
                cert: tls.cert.clone(),
                key: tls.key.clone(),
                server_name: None,
            }),
        }
    }
}

impl Target {
    /// Returns host and port as they are shown to people.
    #[must_use]
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    pub(crate) fn heartbeat_secs(&self) -> u16 {
        u16::try_from(self.heartbeat.as_secs().max(1)).unwrap_or(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_not_shown() {
        let target = Target {
            password: "s3cret".to_owned(),
            ..Target::default()
        };
        assert!(!format!("{target:?}").contains("s3cret"));
    }

    #[test]
    fn a_configured_connection_becomes_a_target() {
        let url = "amqps://u:p@mq:99/v?heartbeat=7";
        let connection = config::Connection::from_url(url, "here").unwrap();
        let target = Target::from(&connection);
        let expected = Target {
            host: "mq".to_owned(),
            port: 99,
            user: "u".to_owned(),
            password: "p".to_owned(),
            vhost: "v".to_owned(),
            heartbeat: target.heartbeat,
            limit: connection.timeout,
            tls: Some(Tls::default()),
        };
        assert_eq!(target, expected);
    }

    #[test]
    fn the_defaults_are_those_of_the_configuration() {
        let default = Target::from(&config::Connection::default());
        assert_eq!(Target::default(), default);
    }

    #[test]
    fn a_heartbeat_is_whole_seconds_and_never_zero() {
        let table = [
            (0, 1),
            (900, 1),
            (1_000, 1),
            (5_900, 5),
            (u64::MAX / 2, u16::MAX),
        ];
        for (ms, secs) in table {
            let target = Target {
                heartbeat: Duration::from_millis(ms),
                ..Target::default()
            };
            assert_eq!(target.heartbeat_secs(), secs, "{ms} ms");
        }
    }

    #[test]
    fn an_address_is_shown_as_people_write_it() {
        for (host, shown) in [("mq", "mq:5672"), ("::1", "[::1]:5672")] {
            let target = Target {
                host: host.to_owned(),
                ..Target::default()
            };
            assert_eq!(target.address(), shown);
        }
    }
}
