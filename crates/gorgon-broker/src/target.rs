//! Where the broker is and how to log in: from parts or from a URL.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The heartbeat unless configured: we notice a dead broker in 10 s, the broker a dead host in about 14 s.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(5);

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
            heartbeat: HEARTBEAT,
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
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

/// What is wrong with a broker's URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Neither `amqp://` nor `amqps://`.
    #[error("a broker's URL begins with amqp:// or amqps://")]
    Scheme,
    /// Not a number from 1 to 65535.
    #[error("the port {0:?} of the broker's URL is no number from 1 to 65535")]
    Port(String),
    /// More than one segment in the path.
    #[error("the path of the broker's URL is one virtual host; write a slash in its name as %2f")]
    Path,
    /// A `%` that is not followed by two hexadecimal digits, or text that is not UTF-8.
    #[error(
        "a percent sign in the broker's URL is not followed by two hexadecimal digits of UTF-8 text"
    )]
    Percent,
    /// Not a number of seconds.
    #[error("the heartbeat {0:?} of the broker's URL is no number of seconds")]
    Heartbeat(String),
}

impl Target {
    /// Reads `amqp[s]://[user[:password]@]host[:port][/vhost][?heartbeat=SECS]`; what is missing has
    /// its default (5671 and the system's authorities for `amqps`). Unknown parameters are ignored.
    pub fn from_url(url: &str) -> Result<Target, UrlError> {
        let mut target = Target::default();
        let rest = if let Some(rest) = url.strip_prefix("amqps://") {
            target.tls = Some(Tls::default());
            target.port = 5671;
            rest
        } else {
            url.strip_prefix("amqp://").ok_or(UrlError::Scheme)?
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, authority),
        };
        if let Some(login) = login {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            target.user = decode(user)?;
            target.password = decode(password)?;
        }
        let (host, port) = split_port(place);
        if !host.is_empty() {
            target.host = decode(host)?;
        }
        if let Some(port) = port {
            let number: u16 = port.parse().map_err(|_| UrlError::Port(port.to_owned()))?;
            if number == 0 {
                return Err(UrlError::Port(port.to_owned()));
            }
            target.port = number;
        }
        if path.contains('/') {
            return Err(UrlError::Path);
        }
        if !path.is_empty() {
            target.vhost = decode(path)?;
        }
        for pair in query.split('&') {
            if let Some(seconds) = pair.strip_prefix("heartbeat=") {
                let number: u16 = seconds
                    .parse()
                    .map_err(|_| UrlError::Heartbeat(seconds.to_owned()))?;
                target.heartbeat = Duration::from_secs(u64::from(number));
            }
        }
        Ok(target)
    }

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

/// Splits `host:port`, `[v6]:port`, `host`.
fn split_port(place: &str) -> (&str, Option<&str>) {
    if let Some(rest) = place.strip_prefix('[')
        && let Some((host, after)) = rest.split_once(']')
    {
        return (
            host,
            after.strip_prefix(':').filter(|port| !port.is_empty()),
        );
    }
    match place.rsplit_once(':') {
        Some((host, port)) => (host, Some(port).filter(|port| !port.is_empty())),
        None => (place, None),
    }
}

fn decode(text: &str) -> Result<String, UrlError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let pair = after.get(..2).ok_or(UrlError::Percent)?;
            let digits = std::str::from_utf8(pair).map_err(|_| UrlError::Percent)?;
            if !pair.iter().all(u8::is_ascii_hexdigit) {
                return Err(UrlError::Percent);
            }
            bytes.push(u8::from_str_radix(digits, 16).map_err(|_| UrlError::Percent)?);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).map_err(|_| UrlError::Percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_part_by_part() {
        // url, user, password, host, port, vhost, heartbeat, tls
        let table = [
            (
                "amqp://",
                "guest",
                "guest",
                "127.0.0.1",
                5672,
                "/",
                5,
                false,
            ),
            ("amqp://mq", "guest", "guest", "mq", 5672, "/", 5, false),
            ("amqp://mq/", "guest", "guest", "mq", 5672, "/", 5, false),
            ("amqps://mq", "guest", "guest", "mq", 5671, "/", 5, true),
            ("amqp://u:p@mq:99/v", "u", "p", "mq", 99, "v", 5, false),
            (
                "amqp://u%40x:p%3A%2f@mq/%2f",
                "u@x",
                "p:/",
                "mq",
                5672,
                "/",
                5,
                false,
            ),
            ("amqp://u:a:b@mq", "u", "a:b", "mq", 5672, "/", 5, false),
            ("amqp://u@mq", "u", "", "mq", 5672, "/", 5, false),
            (
                "amqp://[::1]:7/x?heartbeat=9",
                "guest",
                "guest",
                "::1",
                7,
                "x",
                9,
                false,
            ),
            (
                "amqp://mq?heartbeat=2&frame_max=1",
                "guest",
                "guest",
                "mq",
                5672,
                "/",
                2,
                false,
            ),
        ];
        for (url, user, password, host, port, vhost, heartbeat, tls) in table {
            let target = Target::from_url(url).unwrap();
            assert_eq!(target.user, user, "{url}");
            assert_eq!(target.password, password, "{url}");
            assert_eq!(target.host, host, "{url}");
            assert_eq!(target.port, port, "{url}");
            assert_eq!(target.vhost, vhost, "{url}");
            assert_eq!(target.heartbeat.as_secs(), heartbeat, "{url}");
            assert_eq!(target.tls.is_some(), tls, "{url}");
        }
    }

    #[test]
    fn a_wrong_url_is_named() {
        let table = [
            ("http://mq", UrlError::Scheme),
            ("mq:5672", UrlError::Scheme),
            ("amqp://mq:0", UrlError::Port("0".into())),
            ("amqp://mq:70000", UrlError::Port("70000".into())),
            ("amqp://mq/a/b", UrlError::Path),
            ("amqp://u%4:p@mq", UrlError::Percent),
            ("amqp://u%zz@mq", UrlError::Percent),
            ("amqp://u%ff@mq", UrlError::Percent),
            ("amqp://mq?heartbeat=x", UrlError::Heartbeat("x".into())),
        ];
        for (url, error) in table {
            assert_eq!(Target::from_url(url).unwrap_err(), error, "{url}");
        }
    }

    #[test]
    fn the_password_is_not_shown() {
        let target = Target {
            password: "s3cret".to_owned(),
            ..Target::default()
        };
        assert!(!format!("{target:?}").contains("s3cret"));
    }

    #[test]
    fn a_heartbeat_of_zero_becomes_one() {
        let target = Target::from_url("amqp://mq?heartbeat=0").unwrap();
        assert_eq!(target.heartbeat_secs(), 1);
    }
}
