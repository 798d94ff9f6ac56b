//! `ping`: which listeners are there.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;
use gorgon_broker::{
    Consume, Declare, Event, OpenError, Patience, Publish, Session, Setup, Target,
};
use gorgon_process::exit::{self, Hint};
use gorgon_proto::message::{self, Ping, PingResponse};
use gorgon_proto::names;
use log::warn;
use serde_json::json;

/// Time without an answer after which the ping ends.
pub const SILENCE: Duration = Duration::from_secs(1);
/// Time after which the ping ends, however many still answer.
pub const LIMIT: Duration = Duration::from_secs(10);
/// How long the end of the session may take.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// There is no answer.
#[derive(Debug, thiserror::Error)]
pub enum PingError {
    /// The broker.
    #[error(transparent)]
    Broker(#[from] OpenError),
    /// The connection was lost meanwhile.
    #[error("the connection to the broker was lost: {0}")]
    Lost(String),
    /// Nobody answered.
    #[error("no listener answered within {} s at {address}{}", SILENCE.as_secs(), within(cluster.as_deref()))]
    Nobody {
        /// The broker.
        address: String,
        /// The cluster that was asked.
        cluster: Option<String>,
    },
    /// The system gives no random numbers, or stdout is gone.
    #[error("answer")]
    System(#[from] io::Error),
}

fn within(cluster: Option<&str>) -> String {
    cluster.map_or_else(String::new, |cluster| format!(", cluster {cluster}"))
}

impl Hint for PingError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Broker(error) => error.hint(),
            Self::Nobody { .. } => Some(
                "start gorgon-listener on a host, with the same connection and cluster_id".into(),
            ),
            Self::Lost(_) | Self::System(_) => None,
        }
    }
}

/// Asks and prints; returns the exit code.
///
/// # Errors
/// No broker, or no answer.
pub fn run(target: &Target, cluster: Option<&str>, json: bool) -> Result<u8, PingError> {
    let hosts = ask(target, cluster)?;
    let text = if json {
        as_json(&hosts)
    } else {
        as_table(&hosts)
    };
    if json || !hosts.is_empty() {
        io::stdout().write_all(text.as_bytes())?;
    }
    if hosts.is_empty() {
        return Err(PingError::Nobody {
            address: target.address(),
            cluster: cluster.map(str::to_owned),
        });
    }
    Ok(exit::OK)
}

/// Asks, and returns who answered, by host and listener.
///
/// # Errors
/// No broker.
pub fn ask(target: &Target, cluster: Option<&str>) -> Result<Vec<PingResponse>, PingError> {
    let mut random = [0_u8; 8];
    getrandom::fill(&mut random).map_err(|e| io::Error::other(e.to_string()))?;
    let queue = names::ping_queue(u64::from_le_bytes(random));
    let exchange = names::jobs_exchange(cluster);
    let setup = Setup {
        role: format!("gorgon-originator ping {}", std::process::id()),
        declare: vec![
            Declare::fanout(&exchange),
            Declare::direct(names::REPLIES_EXCHANGE),
            Declare::exclusive_queue(&queue),
            Declare::bind(&queue, names::REPLIES_EXCHANGE, &queue),
        ],
        consume: vec![Consume::many(&queue, 1000)],
        ..Setup::default()
    };
    let session = Session::open(target, setup, Patience::Limit(LIMIT))?;
    let ping = Ping {
        kind: "ping".into(),
        reply_queue_name: queue,
        reply_exchange: names::REPLIES_EXCHANGE.to_owned(),
    };
    session.publish(Publish::to_exchange(exchange, "", message::write(&ping), 1));
    let hosts = collect(&session)?;
    session.close(CLOSE_LIMIT);
    Ok(hosts)
}

fn collect(session: &Session) -> Result<Vec<PingResponse>, PingError> {
    let mut hosts = BTreeMap::new();
    let begun = Instant::now();
    let mut heard = begun;
    loop {
        let until = (heard + SILENCE).min(begun + LIMIT);
        let event = match session.events().recv_deadline(until) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => return Ok(hosts.into_values().collect()),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(PingError::Lost("the session has ended".into()));
            }
        };
        match event {
            Event::Delivery(delivery) => {
                session.ack(delivery.token);
                match message::read::<PingResponse>(&delivery.body) {
                    Ok(host) => {
                        heard = Instant::now();
                        let key = (host.hostname.clone(), host.listener_id.clone());
                        hosts.insert(key, host);
                    }
                    Err(error) => {
                        warn!(target: "gorgon::ping", error:%; "an answer cannot be read");
                    }
                }
            }
            Event::Down { cause, .. } | Event::GaveUp { cause } => {
                return Err(PingError::Lost(cause));
            }
            Event::Up
            | Event::Confirmed { .. }
            | Event::Acked { .. }
            | Event::Unroutable { .. }
            | Event::TooLarge { .. }
            | Event::ConsumerEnded { .. }
            | Event::ConsumerRefused { .. }
            | Event::Drained { .. }
            | Event::Blocked { .. }
            | Event::Unblocked => {}
        }
    }
}

fn as_json(hosts: &[PingResponse]) -> String {
    let hosts: Vec<_> = hosts
        .iter()
        .map(|host| {
            json!({
                "hostname": host.hostname,
                "listener_id": host.listener_id,
                "version": host.version,
                "slots": host.slots,
                "free": host.free,
                "jobs": host.jobs,
            })
        })
        .collect();
    format!("{}\n", json!({ "hosts": hosts }))
}

fn as_table(hosts: &[PingResponse]) -> String {
    let mut rows =
        vec![["HOST", "LISTENER", "VERSION", "SLOTS", "FREE", "JOBS"].map(str::to_owned)];
    for host in hosts {
        let jobs: Vec<&str> = host.jobs.iter().map(|job| job.0.as_str()).collect();
        rows.push(
            [
                host.hostname.clone(),
                host.listener_id.to_string(),
                host.version.clone(),
                host.slots.to_string(),
                host.free.to_string(),
                if jobs.is_empty() {
                    "-".into()
                } else {
                    jobs.join(",")
                },
            ]
            // What a host says must not drive the terminal.
            .map(|cell| cell.escape_debug().to_string()),
        );
    }
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..6).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    let slots: u64 = hosts.iter().map(|host| u64::from(host.slots)).sum();
    let free: u64 = hosts.iter().map(|host| u64::from(host.free)).sum();
    let plural =
        |count: u64, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    let count = hosts.len() as u64;
    let _ = writeln!(
        text,
        "{}, {}, {free} free",
        plural(count, "listener"),
        plural(slots, "slot")
    );
    text
}

#[cfg(test)]
mod tests {
    use gorgon_local_broker::LocalBroker;
    use gorgon_proto::job::{JobId, ListenerId};

    use super::*;

    fn host(hostname: &str, slots: u32, jobs: &[&str]) -> PingResponse {
        PingResponse {
            kind: "ping_response".into(),
            hostname: hostname.into(),
            listener_id: ListenerId("1f".into()),
            version: "0.1.0".into(),
            slots,
            free: if jobs.is_empty() { slots } else { 0 },
            jobs: jobs.iter().map(|&job| JobId(job.into())).collect(),
        }
    }

    #[test]
    fn the_table_has_a_line_for_each_listener() {
        let text = as_table(&[host("web1", 4, &[]), host("a\u{1b}[2J", 16, &["j1", "j2"])]);
        assert_eq!(
            text,
            "HOST        LISTENER  VERSION  SLOTS  FREE  JOBS\n\
             web1        1f        0.1.0    4      4     -\n\
             a\\u{1b}[2J  1f        0.1.0    16     0     j1,j2\n\
             2 listeners, 20 slots, 4 free\n"
        );
    }

    #[test]
    fn the_json_names_what_scripts_rely_on() {
        assert_eq!(
            as_json(&[host("web1", 4, &["j1"])]),
            "{\"hosts\":[{\"hostname\":\"web1\",\"listener_id\":\"1f\",\"version\":\"0.1.0\",\
             \"slots\":4,\"free\":0,\"jobs\":[\"j1\"]}]}\n"
        );
        assert_eq!(as_json(&[]), "{\"hosts\":[]}\n");
    }

    fn target(broker: &LocalBroker) -> Target {
        Target {
            port: broker.port(),
            user: broker.user().to_owned(),
            password: broker.password().to_owned(),
            ..Target::default()
        }
    }

    #[test]
    fn who_answers_is_told_and_silence_ends_it() {
        let broker = LocalBroker::start().unwrap();
        let target = target(&broker);
        assert!(matches!(
            run(&target, Some("blue"), true),
            Err(PingError::Nobody { .. })
        ));
        // A listener, as far as a ping sees it.
        let exchange = names::jobs_exchange(Some("blue"));
        let setup = Setup {
            declare: vec![
                Declare::fanout(&exchange),
                Declare::exclusive_queue("l"),
                Declare::bind("l", &exchange, ""),
            ],
            consume: vec![Consume::one("l")],
            ..Setup::default()
        };
        let listener = Session::open(&target, setup, Patience::Forever).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for event in listener.events() {
                    if let Event::Delivery(delivery) = event {
                        let ping: Ping = serde_json::from_slice(&delivery.body).unwrap();
                        let answer = message::write(&host("web1", 4, &[]));
                        listener.publish(Publish::to_queue(&ping.reply_queue_name, b"junk", 1));
                        listener.publish(Publish::to_queue(&ping.reply_queue_name, answer, 2));
                        return;
                    }
                }
            });
            assert_eq!(ask(&target, Some("blue")).unwrap(), [host("web1", 4, &[])]);
        });
    }
}
