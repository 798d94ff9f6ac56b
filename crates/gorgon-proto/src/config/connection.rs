//! How the broker is reached.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::node::{ConfigError, Node, Value};

/// Text that no message and no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// How the broker is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Name or address of the broker's host.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Name of the account.
    pub user: String,
    /// Password of the account.
    pub password: Secret,
    /// Virtual host.
    pub vhost: String,
    /// Time between heartbeats; zero for none.
    pub heartbeat: Duration,
    /// Limit of the first connection.
    pub timeout: Duration,
    /// TLS, if it is wanted.
    pub tls: Option<Tls>,
}

/// What TLS needs; the system's trust store unless an authority is named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificates of authorities to trust, PEM: these alone, the system's no longer.
    pub ca: Option<PathBuf>,
    /// Certificate of the client, PEM.
    pub cert: Option<PathBuf>,
    /// Key of the client, PEM.
    pub key: Option<PathBuf>,
}

/// Port of a broker.
pub const PORT: u16 = 5672;
/// Port of a broker that speaks TLS.
pub const TLS_PORT: u16 = 5671;
/// Time between heartbeats: a cut link is noticed after about three.
pub const HEARTBEAT: Duration = Duration::from_secs(5);
/// Limit of the first connection.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(10);

impl Default for Connection {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".into(),
            port: PORT,
            user: "guest".into(),
            password: Secret("guest".into()),
            vhost: "/".into(),
            heartbeat: HEARTBEAT,
            timeout: CONNECT_LIMIT,
            tls: None,
        }
    }
}

/// What was said of a connection so far; what was not has its default in the end.
#[derive(Default)]
struct Draft {
    host: Option<String>,
    port: Option<u16>,
    user: Option<String>,
    password: Option<String>,
    vhost: Option<String>,
    heartbeat: Option<Duration>,
    timeout: Option<Duration>,
    tls: Option<Tls>,
}

impl Draft {
    fn finish(self) -> Connection {
        let default = Connection::default();
        let port = if self.tls.is_some() { TLS_PORT } else { PORT };
        Connection {
            host: self.host.unwrap_or(default.host),
            port: self.port.unwrap_or(port),
            user: self.user.unwrap_or(default.user),
            password: self.password.map_or(default.password, Secret),
            vhost: self.vhost.unwrap_or(default.vhost),
            heartbeat: self.heartbeat.unwrap_or(default.heartbeat),
            timeout: self.timeout.unwrap_or(default.timeout),
            tls: self.tls,
        }
    }
}

impl Connection {
    /// Reads the object `connection`. Its keys count in their order, so that a later `host` wins
    /// over the one of an `url`, and the secret file over both.
    ///
    /// # Errors
    /// A value of the wrong type, or a URL that is none.
    pub fn from_node(node: &Node) -> Result<Self, ConfigError> {
        let mut draft = Draft::default();
        for (key, node) in node.entries()? {
            if node.value == Value::Null {
                continue;
            }
            match key.as_str() {
                "host" => draft.host = Some(node.string()?),
                "port" => draft.port = Some(port(node)?),
                "user" | "username" => draft.user = Some(node.string()?),
                "pass" | "password" => draft.password = Some(node.string()?),
                "vhost" => draft.vhost = Some(node.string()?),
                "heartbeat" => draft.heartbeat = Some(node.seconds()?),
                "timeout" => draft.timeout = Some(node.seconds()?),
                "tls" | "ssl" => draft.tls = tls(node)?,
                "url" => apply_url(&mut draft, &node.string()?)
                    .map_err(|fault| ConfigError::new(&node.place, fault_of(&node.path, &fault)))?,
                // Keys that the original handed on to its client mean nothing to ours; the check of
                // keys has warned of the others.
                _ => {}
            }
        }
        Ok(draft.finish())
    }

    /// Reads the URL of a broker: `amqp://user:password@host:port/vhost`, or `amqps`.
    ///
    /// # Errors
    /// What is wrong with it; never the text itself, since it holds a password. `from` says where
    /// the URL stood.
    pub fn from_url(url: &str, from: &str) -> Result<Self, ConfigError> {
        let mut draft = Draft::default();
        apply_url(&mut draft, url)
            .map_err(|fault| ConfigError::outside(from, format!("no URL of a broker: {fault}")))?;
        Ok(draft.finish())
    }

    /// Writes the object that [`Connection::from_node`] reads: for the configuration files that we
    /// give to our own processes.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let tls = match &self.tls {
            None => serde_json::Value::Bool(false),
            Some(tls) => serde_json::json!({ "ca": tls.ca, "cert": tls.cert, "key": tls.key }),
        };
        serde_json::json!({
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password.0,
            "vhost": self.vhost,
            "heartbeat": self.heartbeat.as_secs_f64(),
            "timeout": self.timeout.as_secs_f64(),
            "tls": tls,
        })
    }

    /// Returns how messages name the broker.
    #[must_use]
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

fn fault_of(path: &str, fault: &str) -> String {
    format!("\"{path}\" is no URL of a broker: {fault}")
}

fn port(node: &Node) -> Result<u16, ConfigError> {
    // Files that were written by hand have ports in quotes; the original did not mind.
    let quoted = match &node.value {
        Value::String(text) => text.parse().ok().filter(|&port: &u16| port > 0),
        _ => None,
    };
    match quoted {
        Some(port) => Ok(port),
        None => Ok(node
            .integer(1, u64::from(u16::MAX))?
            .try_into()
            .expect("the limit is that of a port")),
    }
}

fn tls(node: &Node) -> Result<Option<Tls>, ConfigError> {
    match &node.value {
        Value::Bool(false) => Ok(None),
        Value::Bool(true) => Ok(Some(Tls::default())),
        Value::Object(_) => {
            let path = |keys: &[&str]| match node.get_any(keys)? {
                Some(node) => Ok(Some(beside(node, &node.string()?))),
                None => Ok(None),
            };
            Ok(Some(Tls {
                ca: path(&["ca"])?,
                cert: path(&["cert", "cert_chain_file"])?,
                key: path(&["key", "private_key_file"])?,
            }))
        }
        _ => Err(node.expected("true, false or {ca, cert, key}")),
    }
}

/// Returns a path of a configuration file, relative to the directory of that file.
pub(super) fn beside(node: &Node, path: &str) -> PathBuf {
    match Path::new(&*node.place.file).parent() {
        Some(directory) => directory.join(path),
        None => PathBuf::from(path),
    }
}

fn apply_url(draft: &mut Draft, url: &str) -> Result<(), String> {
    let (scheme, rest) = url
        .split_once("://")
        .ok_or("expected amqp:// or amqps:// in front")?;
    match scheme {
        "amqp" => draft.tls = None,
        "amqps" => draft.tls = Some(draft.tls.take().unwrap_or_default()),
        other => return Err(format!("expected amqp or amqps, found {other}")),
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, vhost) = match rest.split_once('/') {
        Some((authority, vhost)) => (authority, Some(vhost)),
        None => (rest, None),
    };
    let (account, place) = match authority.rsplit_once('@') {
        Some((account, place)) => (Some(account), place),
        None => (None, authority),
    };
    if let Some(account) = account {
        let (user, password) = match account.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (account, None),
        };
        draft.user = Some(decoded(user)?);
        if let Some(password) = password {
            draft.password = Some(decoded(password)?);
        }
    }
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest
                .split_once(']')
                .ok_or("the bracket of the address is not closed")?;
            (host, rest.strip_prefix(':'))
        }
        None => match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        },
    };
    if !host.is_empty() {
        draft.host = Some(decoded(host)?);
    }
    if let Some(port) = port {
        draft.port = Some(
            port.parse()
                .ok()
                .filter(|&port: &u16| port > 0)
                .ok_or("the port is no number from 1 to 65535")?,
        );
    }
    // `amqp://host/` would be the virtual host without a name; nobody has one.
    if let Some(vhost) = vhost.filter(|vhost| !vhost.is_empty()) {
        draft.vhost = Some(decoded(vhost)?);
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decoded(value)?;
        let seconds = || {
            value
                .parse()
                .map(Duration::from_secs)
                .map_err(|_| format!("{key} is no number"))
        };
        match key {
            "heartbeat" => draft.heartbeat = Some(seconds()?),
            "connection_timeout" => {
                draft.timeout = Some(seconds()?.min(Duration::from_secs(86_400)) / 1000);
            }
            "cacertfile" => draft.tls.get_or_insert_default().ca = Some(value.into()),
            "certfile" => draft.tls.get_or_insert_default().cert = Some(value.into()),
            "keyfile" => draft.tls.get_or_insert_default().key = Some(value.into()),
            // Clients in other languages know more of them; none changes where we connect.
            _ => {}
        }
    }
    Ok(())
}

fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next(), rest.next()];
            let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
            match (digit(digits[0]), digit(digits[1])) {
                (Some(high), Some(low)) => {
                    bytes.push(u8::try_from(high * 16 + low).expect("two hexadecimal digits"));
                }
                _ => return Err("a % is not followed by two hexadecimal digits".into()),
            }
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".into())
}
