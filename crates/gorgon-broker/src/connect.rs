//! One connection: socket, TLS, login, channel, under a total limit.

use crate::fuse::Fuse;
use crate::greeting::Greeted;
use crate::version::Version;
use crate::{OpenError, Target, tls};
use amiquip::{Auth, Channel, Connection, ConnectionOptions, ConnectionTuning, Error};
use std::error::Error as _;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// For one address of the host: a dead one must not eat the time of the next.
const ADDRESS_LIMIT: Duration = Duration::from_secs(3);
/// For one wait of the login. RabbitMQ answers a wrong password after 3 s.
const LOGIN_LIMIT: Duration = Duration::from_secs(5);
/// For everything: socket, TLS, login, channel.
pub(crate) const CONNECT_LIMIT: Duration = Duration::from_secs(8);
/// After so much silence the kernel asks whether the peer is there. Our heartbeats are faster; this
/// is for the time before the login, in which there are none.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// The client stops reading our channels when it holds so much that the broker does not take, and
/// then its calls block for ever. Our window (4 MiB, or one message of up to 12 MiB) stays below,
/// so publishing never blocks.
const CLIENT_BUFFER: usize = 32 << 20;

/// A connection with its one channel, opened at once: opening one later can make the client's
/// thread panic.
pub(crate) struct Link {
    pub(crate) connection: Connection,
    pub(crate) channel: Channel,
    pub(crate) local: SocketAddr,
    pub(crate) version: Version,
}

/// Connects within `limit`, watched by `fuse`, which keeps watching the socket.
pub(crate) fn connect(
    target: &Target,
    role: &str,
    fuse: &Fuse,
    limit: Duration,
) -> Result<Link, OpenError> {
    crate::quiet::hush_client_panics();
    let start = Instant::now();
    let limit = limit.min(CONNECT_LIMIT);
    let timeout = || OpenError::Timeout {
        address: target.address(),
        limit,
    };
    let connector = target.tls.as_ref().map(tls::connector).transpose()?;
    let socket = reach(target, start, limit)?;
    let local = socket.local_addr().map_err(unreachable(target))?;
    fuse.watch(socket.try_clone().map_err(unreachable(target))?);
    let left = limit.checked_sub(start.elapsed()).ok_or_else(timeout)?;
    let _guard = fuse.guard(left);
    let stream = mio::net::TcpStream::from_stream(socket).map_err(unreachable(target))?;
    stream
        .set_keepalive(Some(KEEPALIVE))
        .map_err(unreachable(target))?;

    let options = ConnectionOptions::default()
        .auth(Auth::Plain {
            username: target.user.clone(),
            password: target.password.clone(),
        })
        .virtual_host(target.vhost.as_str())
        .heartbeat(target.heartbeat_secs())
        .connection_timeout(Some(LOGIN_LIMIT.min(left)))
        .information(Some(role.to_owned()));
    let tuning = ConnectionTuning::default().buffered_writes_high_water(CLIENT_BUFFER);
    let open = || match connector {
        Some(connector) => {
            let name = target.tls.as_ref().and_then(|tls| tls.server_name.clone());
            let name = name.unwrap_or_else(|| target.host.clone());
            Connection::open_tls_stream(connector, &name, stream, options, tuning)
        }
        None => Connection::insecure_open_stream(Greeted::new(stream), options, tuning),
    };
    let opened = crate::quiet::catch(open).map_err(|said| OpenError::Thread {
        source: io::Error::other(said),
    })?;
    let explain = |error: Error| {
        // What the client calls wrong credentials is any failure after we have sent them.
        if fuse.is_blown() || start.elapsed() >= LOGIN_LIMIT.min(left) {
            timeout()
        } else {
            refusal(target, &error)
        }
    };
    let mut connection = opened.map_err(explain)?;
    let channel = connection.open_channel(None).map_err(explain)?;
    Ok(Link {
        version: Version::of(connection.server_properties()),
        connection,
        channel,
        local,
    })
}

/// Opens a socket to the first address of the host that answers.
fn reach(target: &Target, start: Instant, limit: Duration) -> Result<TcpStream, OpenError> {
    let no_host = |source| OpenError::NoHost {
        host: target.host.clone(),
        source,
    };
    let addresses = (target.host.as_str(), target.port)
        .to_socket_addrs()
        .map_err(no_host)?;
    let mut last = None;
    for address in addresses {
        let left = limit.saturating_sub(start.elapsed()).min(ADDRESS_LIMIT);
        if left.is_zero() {
            break;
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(socket) => {
                // Without it a publish and its confirm take 44 ms instead of 0.1 ms (measured).
                socket.set_nodelay(true).map_err(unreachable(target))?;
                return Ok(socket);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(match last {
        Some(error) if error.kind() == io::ErrorKind::TimedOut => OpenError::Timeout {
            address: target.address(),
            limit: start.elapsed(),
        },
        Some(error) => unreachable(target)(error),
        None => no_host(io::Error::other("the name has no address")),
    })
}

fn unreachable(target: &Target) -> impl Fn(io::Error) -> OpenError {
    let address = target.address();
    move |source| OpenError::Unreachable {
        address: address.clone(),
        source,
    }
}

/// Says in our words what the client says of a failed login.
fn refusal(target: &Target, error: &Error) -> OpenError {
    let address = target.address();
    match error {
        Error::InvalidCredentials => OpenError::WrongPassword {
            address,
            user: target.user.clone(),
        },
        // 530 NOT_ALLOWED, 403 ACCESS_REFUSED.
        Error::ServerClosedConnection {
            code: 530 | 403,
            message,
        } => OpenError::NoVhost {
            address,
            user: target.user.clone(),
            vhost: target.vhost.clone(),
            said: message.clone(),
        },
        Error::TlsHandshake { .. } => OpenError::Tls {
            address,
            said: tls::shortened(&words(error)),
        },
        Error::ConnectionTimeout => OpenError::Timeout {
            address,
            limit: LOGIN_LIMIT,
        },
        // Also an alert after the handshake: TLS 1.3 refuses our certificate only then.
        other if target.tls.is_some() => OpenError::Tls {
            address,
            said: tls::shortened(&words(other)),
        },
        other => OpenError::Closed {
            address,
            said: words(other),
        },
    }
}

/// Returns an error of the client in words: the broker's own where there are any.
pub(crate) fn words(error: &Error) -> String {
    match error {
        Error::ServerClosedConnection { code, message }
        | Error::ServerClosedChannel { code, message, .. } => format!("{code} {message}"),
        Error::MissedServerHeartbeats => "the broker has fallen silent".to_owned(),
        // What we say of its greeting, and what the system says.
        Error::IoErrorReadingSocket { source } | Error::IoErrorWritingSocket { source } => {
            source.to_string()
        }
        Error::EventLoopDropped | Error::UnexpectedSocketClose => {
            "the connection was closed".to_owned()
        }
        Error::TlsHandshake { source } => source.to_string(),
        other => match other.source() {
            Some(source) if !other.to_string().contains(&source.to_string()) => {
                format!("{other}: {source}")
            }
            _ => other.to_string(),
        },
    }
}
