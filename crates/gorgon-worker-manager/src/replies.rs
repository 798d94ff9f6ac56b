//! The manager's session with the broker: what it tells the originator, and what it hears.

mod workers;

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, never};
use gorgon_broker::{
    Connections, Consume, Declare, Event as BrokerEvent, OpenError, Patience, Publish, QueueState,
    Session, Setup, Target, look_at_queue,
};
use gorgon_process::liveness::Identity;
use gorgon_proto::job::{JobId, ListenerId};
use gorgon_proto::lean::Outgoing;
use gorgon_proto::message::{
    self, Control, HostError, HostJoined, HostLeft, HostSlots, LeaveReason, Reply, Warning,
    WorkerOfHost,
};
use gorgon_proto::names::{self, CONTROL_EXCHANGE};
use gorgon_proto::trace::Step;
use log::{error, info, warn};

use crate::cli::Args;
use crate::event::{Event, Files};
use crate::lookout::Look;

/// Time without a broker after which the job ends here.
pub const BROKER_LIMIT: Duration = Duration::from_secs(120);
/// How long a look at a queue may take.
const LOOK_LIMIT: Duration = Duration::from_secs(4);
/// The same before the queues of an originator that is gone are deleted.
const LAST_LOOK_LIMIT: Duration = Duration::from_secs(1);
/// How long a polite end of the connection may take.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// The same when whoever started us is gone: with `--local` its broker is gone too.
const ABANDONED_CLOSE_LIMIT: Duration = Duration::from_millis(200);
/// After how long a reply that found no queue is sent again.
const RESEND_AFTER: Duration = Duration::from_secs(1);
/// The kernel tells times of processes in hundredths of a second.
const TICK_MS: u64 = 10;
/// A listener sends no more than a few messages.
const PREFETCH: u16 = 10;

/// The session, and who we are in its messages.
#[derive(Debug)]
pub struct Replies {
    session: Session,
    /// The session's events, until it has ended.
    broker: Receiver<BrokerEvent>,
    target: Target,
    hostname: String,
    listener_id: ListenerId,
    job: JobId,
    queue: String,
    began_ms: u64,
    file_queue: String,
    reply_exchange: String,
    reply_queue: String,
    unconfirmed: BTreeMap<u64, Outgoing>,
    /// Whether the connection was ever lost.
    was_down: bool,
    unroutable: Vec<u64>,
    resend_at: Option<Instant>,
    tags: u64,
    looks: (Sender<Event>, Receiver<Event>),
}

impl Replies {
    /// Begins a session, which declares the manager's queue. The broker may be away just now, to be
    /// waited for as it would be later: the listener above us had a connection.
    ///
    /// # Errors
    /// When the system gives us no thread.
    pub fn open(args: &Args, target: Target, reply_exchange: &str) -> Result<Self, OpenError> {
        let job = JobId(args.job.clone());
        let listener_id = ListenerId(args.listener_id());
        let queue = names::queue_of_manager(&job, &listener_id, std::process::id());
        let setup = Setup {
            role: format!(
                "gorgon-worker-manager {} {}",
                args.host_name(),
                std::process::id()
            ),
            declare: declarations(&queue, &job, reply_exchange),
            consume: vec![Consume::many(queue.clone(), PREFETCH)],
            connections: Connections::Two,
            ..Setup::default()
        };
        let session = Session::open_patiently(&target, setup, Patience::Limit(BROKER_LIMIT))?;
        Ok(Self {
            broker: session.events().clone(),
            session,
            target,
            hostname: args.host_name(),
            listener_id,
            job,
            queue,
            began_ms: began_ms(),
            file_queue: args.file_queue.clone(),
            reply_exchange: reply_exchange.to_owned(),
            reply_queue: args.reply_queue.clone(),
            unconfirmed: BTreeMap::new(),
            was_down: false,
            unroutable: Vec::new(),
            resend_at: None,
            tags: 0,
            looks: bounded(2),
        })
    }

    /// Returns where the session's events arrive.
    #[must_use]
    pub fn events(&self) -> &Receiver<BrokerEvent> {
        &self.broker
    }

    /// The session has ended. A disconnected receiver would be ready for ever, before everything that comes after it.
    pub fn ended(&mut self) -> Event {
        self.broker = never();
        Event::BrokerGaveUp
    }

    /// Returns where results of looks arrive.
    #[must_use]
    pub fn looks(&self) -> &Receiver<Event> {
        &self.looks.1
    }

    /// Translates an event for the core; none when it is no news for it.
    pub fn event(&mut self, event: BrokerEvent) -> Option<Event> {
        match event {
            BrokerEvent::Up => None,
            // The broker has lost nothing, and we are connected again at once.
            BrokerEvent::Down { answered: true, .. } => None,
            BrokerEvent::Down {
                cause, retry_in, ..
            } => {
                warn!(target: "gorgon::manager", cause, retry_in:?; "no broker");
                self.was_down = true;
                Some(Event::BrokerDown)
            }
            BrokerEvent::Delivery(delivery) => {
                self.session.ack(delivery.token);
                match message::read::<Control>(&delivery.body) {
                    Ok(control) if *control.job() == self.job => Some(Event::from(control)),
                    Ok(control) => {
                        warn!(target: "gorgon::manager", other:% = control.job(); "a control message of another job is dropped");
                        None
                    }
                    Err(fault) => {
                        warn!(target: "gorgon::manager", fault:%; "a message that is no control message is dropped");
                        None
                    }
                }
            }
            BrokerEvent::Confirmed { tag } | BrokerEvent::Acked { tag, .. } => {
                self.unconfirmed.remove(&tag);
                None
            }
            BrokerEvent::Unroutable { tag } => {
                self.unroutable.push(tag);
                self.resend_at.get_or_insert(Instant::now() + RESEND_AFTER);
                None
            }
            BrokerEvent::TooLarge { tag } => {
                self.send_leaner(tag);
                None
            }
            BrokerEvent::ConsumerEnded { .. } => {
                // Without a consumer on it we would be written off.
                warn!(target: "gorgon::manager", queue:% = self.queue; "our queue is gone, and is declared again");
                let declare = declarations(&self.queue, &self.job, &self.reply_exchange);
                self.session.declare(declare);
                self.session
                    .consume(Consume::many(self.queue.clone(), PREFETCH));
                None
            }
            BrokerEvent::ConsumerRefused { queue, said } => {
                warn!(target: "gorgon::manager", queue, said; "not consumed");
                None
            }
            BrokerEvent::Blocked { reason } => {
                warn!(target: "gorgon::manager", reason; "the broker takes no messages for now");
                None
            }
            BrokerEvent::Unblocked => {
                info!(target: "gorgon::manager", "the broker takes messages again");
                None
            }
            BrokerEvent::Drained { .. } => None,
            BrokerEvent::GaveUp { cause } => {
                warn!(target: "gorgon::manager", cause; "no broker for too long");
                Some(self.ended())
            }
        }
    }

    /// The broker does not take it: its texts are cut, and it goes out again.
    fn send_leaner(&mut self, tag: u64) {
        let Some(outgoing) = self.unconfirmed.get_mut(&tag) else {
            return;
        };
        if outgoing.make_leaner() {
            warn!(target: "gorgon::manager", tag; "the broker takes no message of that size: its texts are cut");
            self.send(tag);
        } else {
            error!(target: "gorgon::manager", tag; "the broker does not even take the least of a message, which is lost: raise its max_message_size");
            self.unconfirmed.remove(&tag);
        }
    }

    /// Returns whether the connection was ever lost: the broker may have forgotten its queues.
    #[must_use]
    pub fn was_down(&self) -> bool {
        self.was_down
    }

    /// Returns when [`Replies::resend`] is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.resend_at
    }

    /// Sends again what found no queue: the originator may be making it anew.
    pub fn resend(&mut self, now: Instant) {
        if self.resend_at.is_some_and(|at| at <= now) {
            self.resend_at = None;
            for tag in std::mem::take(&mut self.unroutable) {
                self.send(tag);
            }
        }
    }

    /// The host joins the job.
    pub fn join(&mut self, slots: Vec<u32>) {
        let reply = Reply::HostJoined(HostJoined {
            hostname: self.hostname.clone(),
            listener_id: self.listener_id.clone(),
            slots,
            manager_queue_name: self.queue.clone(),
            pid: std::process::id(),
            began_ms: self.began_ms,
        });
        self.publish(&reply);
    }

    /// The host has other slots than before.
    pub fn slots(&mut self, slots: Vec<u32>, ended: &[(u32, u32)]) {
        let ended = ended.iter().map(|(worker_id, pid)| WorkerOfHost {
            worker_id: *worker_id,
            pid: *pid,
        });
        let reply = Reply::HostSlots(HostSlots {
            hostname: self.hostname.clone(),
            listener_id: self.listener_id.clone(),
            slots,
            ended: ended.collect(),
            manager_queue_name: self.queue.clone(),
        });
        self.publish(&reply);
    }

    /// Something the user should know.
    pub fn warn(&mut self, message: String) {
        let reply = Reply::Warning(Warning {
            hostname: self.hostname.clone(),
            listener_id: self.listener_id.clone(),
            worker_id: None,
            message,
        });
        self.publish(&reply);
    }

    fn publish(&mut self, reply: &Reply) {
        self.tags += 1;
        self.unconfirmed
            .insert(self.tags, Outgoing::new(std::slice::from_ref(reply)));
        self.send(self.tags);
    }

    fn send(&self, tag: u64) {
        if let Some(outgoing) = self.unconfirmed.get(&tag) {
            self.session
                .publish(self.to_originator(outgoing.body(), tag));
        }
    }

    fn to_originator(&self, body: Vec<u8>, tag: u64) -> Publish {
        Publish {
            exchange: self.reply_exchange.clone(),
            ..Publish::to_queue(&self.reply_queue, body, tag)
        }
    }

    /// Looks at the reply queue.
    pub fn look(&self) {
        self.look_at(&self.reply_queue, |found| {
            Event::Looked(match found {
                Ok(Some(state)) if state.consumers > 0 => Look::Consumed,
                Ok(Some(_) | None) => Look::Abandoned,
                Err(_) => Look::Unreachable,
            })
        });
    }

    /// Looks at the file queue.
    pub fn look_at_files(&self) {
        self.look_at(&self.file_queue, |found| {
            Event::FilesLooked(match found {
                Ok(Some(state)) => Files::Waiting(state.messages),
                Ok(None) => Files::Missing,
                Err(_) => Files::Unknown,
            })
        });
    }

    /// Looks at a queue, over a connection of its own, from a thread of its own.
    fn look_at(&self, queue: &str, event: fn(Result<Option<QueueState>, OpenError>) -> Event) {
        let (target, queue, sender) = (self.target.clone(), queue.to_owned(), self.looks.0.clone());
        let looked = thread::Builder::new()
            .name("look".to_owned())
            .spawn(move || {
                // A manager that ends does not wait for it.
                let _ = sender.send(event(look_at_queue(&target, &queue, LOOK_LIMIT)));
            });
        if let Err(source) = looked {
            let address = self.target.address();
            let failed = Err(OpenError::Unreachable { address, source });
            let _ = self.looks.0.try_send(event(failed));
        }
    }

    /// Returns whether somebody reads the replies just now.
    fn is_read(&self) -> bool {
        let look = look_at_queue(&self.target, &self.reply_queue, LAST_LOOK_LIMIT);
        matches!(look, Ok(Some(state)) if state.consumers > 0)
    }

    /// Says that the host is done with the job, removes what nobody else will, and closes. Returns
    /// whether the broker has taken that word, or nobody is there to hear it.
    pub fn leave(
        mut self,
        reason: LeaveReason,
        error: Option<HostError>,
        trace: Vec<Step>,
    ) -> bool {
        let reply = Reply::HostLeft(HostLeft {
            hostname: self.hostname.clone(),
            listener_id: self.listener_id.clone(),
            // `Lost` is the originator's word for a host of which it hears nothing.
            reason: match reason {
                LeaveReason::Lost => LeaveReason::Stopped,
                heard => heard,
            },
            error,
            manager_pid: std::process::id(),
            trace,
        });
        let limit = match reason {
            LeaveReason::Lost => ABANDONED_CLOSE_LIMIT,
            _ => CLOSE_LIMIT,
        };
        // The originator may have come back while the workers ended: its queues are its own.
        let heard = if reason == LeaveReason::Orphaned && !self.is_read() {
            let originators = names::originator_queue(&self.job);
            for queue in [&self.file_queue, &self.reply_queue, &originators] {
                self.session.delete_queue(queue);
            }
            // Our account may lack the right: then it expires.
            let mark = names::mark_queue(&self.job);
            self.session.delete_foreign_queue(&mark);
            true
        } else {
            self.publish(&reply);
            self.is_heard(self.tags, Instant::now() + limit)
        };
        self.session.delete_queue(&self.queue);
        self.session
            .close(if heard { limit } else { ABANDONED_CLOSE_LIMIT });
        heard
    }

    /// Waits until the broker has taken a reply, or has no queue for it.
    fn is_heard(&mut self, tag: u64, until: Instant) -> bool {
        while self.unconfirmed.contains_key(&tag) && !self.unroutable.contains(&tag) {
            match self.broker.recv_deadline(until) {
                // The core has had its last event.
                Ok(event) => drop(self.event(event)),
                Err(_) => return false,
            }
        }
        true
    }
}

/// When this process began, in milliseconds since the machine did.
fn began_ms() -> u64 {
    Identity::own().map_or(0, |own| own.started * TICK_MS)
}

fn declarations(queue: &str, job: &JobId, reply_exchange: &str) -> Vec<Declare> {
    let mut declare = vec![
        Declare::direct(CONTROL_EXCHANGE),
        Declare::queue(queue),
        Declare::bind(queue, CONTROL_EXCHANGE, job.to_string()),
    ];
    if !reply_exchange.is_empty() {
        declare.push(Declare::direct(reply_exchange));
    }
    declare
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_began_after_its_machine_whatever_the_time_is() {
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let seconds: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        let began = Duration::from_millis(began_ms()).as_secs_f64();
        assert!(began > 0.0 && began <= seconds, "{began} of {uptime}");
    }
}
