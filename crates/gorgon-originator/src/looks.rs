//! Looks at queues: what the originator asks the broker over connections of their own.

use std::time::Duration;

use crossbeam_channel::{Sender, after};
use gorgon_broker::{Target, look_at_queue};
use gorgon_process::exit;
use gorgon_proto::job::ListenerId;

use crate::ledger::{Event, Kept};

/// How long a look at a queue may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(4);

/// A question to the broker that is asked over a connection of its own.
#[derive(Debug)]
pub(crate) enum Look {
    /// Who consumes the queues of these hosts?
    Hosts(Vec<(ListenerId, String)>),
    /// What is in the file queue? With `back`: the broker is there again.
    FileQueue { back: bool },
}

impl Look {
    /// Looks; `queues` are the file queue and the mark. Returns what the ledger is to hear.
    pub(crate) fn at(self, target: &Target, queues: [&str; 2]) -> Vec<Event> {
        match self {
            Look::Hosts(hosts) => look_at_hosts(target, hosts),
            Look::FileQueue { back } => look_at_files(target, queues, back),
        }
    }
}

/// Asks for a look; returns whether it will be. One too many is left out, since looks are asked for again and again.
pub(crate) fn request(ask: &Sender<Look>, look: Look) -> bool {
    let asked = ask.try_send(look).is_ok();
    if !asked {
        log::warn!(target: "gorgon::originator", "too many looks at queues wait");
    }
    asked
}

fn look_at_hosts(target: &Target, hosts: Vec<(ListenerId, String)>) -> Vec<Event> {
    let mut events = Vec::new();
    for (listener_id, queue) in hosts {
        match look_at_queue(target, &queue, LIMIT) {
            Ok(state) => {
                let consumers = state.map(|state| state.consumers);
                events.push(Event::HostLooked {
                    listener_id,
                    consumers,
                });
            }
            // A broker that cannot be asked says nothing about a host.
            Err(error) => {
                log::info!(target: "gorgon::originator", queue:%, cause:% = exit::chain(&error); "no look");
                break;
            }
        }
    }
    events
}

/// Looks at the file queue and at the mark, which without looks would expire.
fn look_at_files(target: &Target, queues: [&str; 2], back: bool) -> Vec<Event> {
    let messages_in = |queue: &str| match look_at_queue(target, queue, LIMIT) {
        Ok(state) => Some(state.map(|state| state.messages)),
        Err(error) => {
            log::info!(target: "gorgon::originator", queue:%, cause:% = exit::chain(&error); "no look");
            None
        }
    };
    let look = || Some((messages_in(queues[0])?, messages_in(queues[1])?));
    let mut tries = if back { 3 } else { 1 };
    let seen = loop {
        let seen = look();
        tries -= 1;
        if seen.is_some() || tries == 0 {
            break seen;
        }
        // The broker may have gone again; the session tells when it is back.
        let _ = after(Duration::from_millis(500)).recv();
    };
    match (seen, back) {
        (Some((None, _)), false) => vec![Event::FileQueueMissing],
        (Some((Some(messages), _)), false) => vec![Event::FileQueueLooked { messages }],
        (None, false) => Vec::new(),
        (seen, true) => vec![Event::BrokerBack {
            files: match seen {
                Some((None, _)) => Kept::Nothing,
                Some((Some(_), mark)) if mark.unwrap_or(0) == 0 => Kept::Queue,
                Some(_) | None => Kept::All,
            },
        }],
    }
}
