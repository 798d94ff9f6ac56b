//! What holds whatever a client sends; see `gorgon-garble`.

use std::time::{Duration, Instant};

use crate::{
    connection::Connection,
    core::{Broker, ConnectionId},
    frames::{self, Frame, PROTOCOL_HEADER, Parsed},
    login::Login,
};

/// Two clients send these bytes, and leave: the broker lives, its books are right, and its answers are bounded by what came.
///
/// # Panics
/// When that does not hold.
pub fn session(bytes: &[u8]) {
    let login = Login {
        user: "gorgon-00000000".into(),
        password: "0".repeat(40),
    };
    let now = Instant::now();
    let mut broker = Broker::new();
    let mut clients: Vec<Connection> = (1..=2)
        .map(|id| Connection::new(id as ConnectionId, now))
        .collect();
    let (mut answered, mut most) = (0, 1 << 20);
    for client in &mut clients {
        let mut rest = bytes.strip_prefix(&PROTOCOL_HEADER).unwrap_or(bytes);
        client.start(&mut broker);
        while !client.is_deaf() {
            match frames::parse(rest, client.frame_max()) {
                Ok(Parsed::Frame {
                    channel,
                    frame,
                    length,
                }) => {
                    if let Frame::Body(piece) = &frame {
                        assert!(piece.len() < length);
                    }
                    client.frame(now, channel, frame, &login, &mut broker);
                    rest = &rest[length..];
                }
                Ok(Parsed::Incomplete) => break,
                Err(fault) => {
                    client.fail(now, 0, &fault, (0, 0), &mut broker);
                    break;
                }
            }
            broker.audit();
            // One frame brings what was waiting, a window to each client at most, and a few answers.
            most += 4096;
            answered += written(&mut broker);
        }
        broker.end_of_batch(1, client.open_channels());
    }
    answered += written(&mut broker);
    assert!(
        answered <= most + 100 * bytes.len(),
        "{answered} of {}",
        bytes.len()
    );
    broker.tick(now + Duration::from_secs(60));
    for client in &mut clients {
        client.lost(now, &mut broker);
        broker.audit();
    }
    written(&mut broker);
}

fn written(broker: &mut Broker) -> usize {
    let mut out = Vec::new();
    for sent in broker.take_output() {
        match &sent.message {
            Some(message) => {
                frames::put_content(&mut out, sent.to.number, &sent.method, message, 4096)
            }
            None => frames::put_method(&mut out, sent.to.number, &sent.method),
        }
    }
    out.len()
}

#[cfg(test)]
mod tests {
    use gorgon_garble::{Corpus, cases};

    #[test]
    fn whatever_a_client_sends_the_broker_lives() {
        cases(Corpus::read("broker"), 2000, super::session);
    }
}
