//! What a session says of an address at which there is no broker, and how soon.

#![expect(
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

use gorgon_broker::{Event, OpenError, Patience, Session, Setup, Target, Tls, look_at_queue};
use gorgon_process::exit::Hint;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(20);

fn target(port: u16) -> Target {
    Target {
        port,
        limit: Duration::from_secs(3),
        ..Target::default()
    }
}

/// Opens in vain, within the limit.
fn refused(target: &Target) -> OpenError {
    let start = Instant::now();
    let error = Session::open(target, Setup::default(), Patience::Forever).unwrap_err();
    let took = start.elapsed();
    // What has no limit would take for ever; beyond it the machine may be busy.
    assert!(took < target.limit + LIMIT, "{took:?}");
    error
}

/// Serves each connection with `answer`, for as long as the test lives.
fn server(answer: fn(TcpStream)) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::Builder::new()
        .spawn(move || listener.incoming().flatten().for_each(answer))
        .unwrap();
    port
}

/// A port that is closed, below those that the system gives to clients.
fn closed_port() -> u16 {
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let seed = u16::try_from(std::process::id() % 11_000).unwrap();
    (20_000 + seed..32_000).find(free).unwrap()
}

#[test]
fn a_closed_port_is_named_within_two_seconds() {
    let target = target(closed_port());
    let start = Instant::now();
    let error = refused(&target);
    // A broker that is starting had its time.
    assert!(start.elapsed() >= Duration::from_millis(700));
    assert!(matches!(error, OpenError::Unreachable { .. }), "{error}");
    let hint = error.hint().unwrap();
    assert!(hint.contains("gorgon-originator --local"), "{hint}");
    assert!(look_at_queue(&target, "q", LIMIT).is_err());
}

#[test]
fn a_server_that_says_nothing_is_named_at_the_limit() {
    // Accepted by the system, read by nobody.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = target(listener.local_addr().unwrap().port());
    let error = refused(&target);
    assert!(matches!(error, OpenError::Timeout { .. }), "{error}");
    // A look has a limit of its own.
    let own = Duration::from_millis(200);
    let error = look_at_queue(&target, "q", own).unwrap_err();
    assert!(
        matches!(error, OpenError::Timeout { limit, .. } if limit == own),
        "{error}"
    );
}

#[test]
fn a_server_that_trickles_is_cut_at_the_limit() {
    let port = server(|mut socket| {
        // The start of a frame that never ends, a byte at a time.
        let waits = socket.try_clone().unwrap();
        waits
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        std::thread::Builder::new()
            .spawn(move || {
                let mut waits = waits;
                for byte in [1u8, 0, 0, 0, 16, 0].into_iter().cycle() {
                    if socket.write_all(&[byte]).is_err()
                        || matches!(waits.read(&mut [0; 64]), Ok(0))
                    {
                        return;
                    }
                }
            })
            .unwrap();
    });
    let error = refused(&target(port));
    assert!(
        matches!(error, OpenError::Timeout { .. } | OpenError::Closed { .. }),
        "{error}"
    );
}

#[test]
fn a_server_of_another_kind_is_named() {
    let port = server(|mut socket| {
        // The client may have gone.
        let _ = socket.read(&mut [0; 8]);
        let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    });
    let error = refused(&target(port));
    assert!(matches!(error, OpenError::Closed { .. }), "{error}");
}

#[test]
fn a_server_that_hangs_up_is_named() {
    let error = refused(&target(server(drop)));
    assert!(
        matches!(
            error,
            OpenError::Closed { .. } | OpenError::Unreachable { .. }
        ),
        "{error}"
    );
}

#[test]
fn tls_to_a_port_without_is_named_at_once() {
    let port = server(|mut socket| {
        // As RabbitMQ answers what is no AMQP.
        let _ = socket.read(&mut [0; 8]);
        let _ = socket.write_all(b"AMQP\x00\x00\x09\x01");
    });
    let target = Target {
        tls: Some(Tls::default()),
        ..target(port)
    };
    let error = refused(&target);
    // What waits until the limit is a time-out.
    assert!(matches!(error, OpenError::Tls { .. }), "{error}");
}

#[test]
fn a_host_without_an_address_is_named() {
    let target = Target {
        host: "no-such-host.invalid".to_owned(),
        ..target(5672)
    };
    let error = refused(&target);
    assert!(
        matches!(error, OpenError::NoHost { .. } | OpenError::Timeout { .. }),
        "{error}"
    );
}

#[test]
fn a_patient_session_tells_of_each_attempt_and_gives_up() {
    let patience = Patience::Limit(Duration::from_secs(1));
    let start = Instant::now();
    let session =
        Session::open_patiently(&target(closed_port()), Setup::default(), patience).unwrap();
    let mut attempts = 0;
    loop {
        match session.events().recv_timeout(LIMIT).unwrap() {
            Event::Down { .. } => {
                attempts += 1;
                assert!(start.elapsed() < LIMIT, "{attempts}");
            }
            Event::GaveUp { cause } => {
                assert!(cause.contains("refused"), "{cause}");
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(attempts >= 2, "{attempts}");
    // Nothing listens to these any more, and nothing hangs on them.
    session.stop_consuming("q");
    assert!(!session.flush(Duration::from_millis(10)));
    session.close(LIMIT);
}

#[test]
fn a_session_without_a_broker_closes_in_time() {
    let session =
        Session::open_patiently(&target(closed_port()), Setup::default(), Patience::Forever)
            .unwrap();
    let start = Instant::now();
    session.close(Duration::from_millis(300));
    assert!(start.elapsed() < LIMIT);
}
