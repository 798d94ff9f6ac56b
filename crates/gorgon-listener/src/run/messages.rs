//! What the broker tells: offers, pings, cancels, and the state of the connection.

use gorgon_broker::{Delivery, Event as BrokerEvent};
use gorgon_proto::job::JobId;
use gorgon_proto::message::{self, Answer, Control, ToListener};
use gorgon_proto::sign;
use log::{debug, info, warn};

use super::{Shell, unix_s};
use crate::admit::{Admission, ReplyTo};
use crate::host;
use crate::topology;

impl Shell {
    /// Takes an event of the broker, and returns what the core is to know of it.
    pub(super) fn broker(&mut self, event: BrokerEvent) -> Option<host::Event> {
        match event {
            BrokerEvent::Up => {
                info!(target: "gorgon::listener", "connected to the broker");
                self.down = false;
                self.voice.announce(&self.session);
                None
            }
            // It is connected again at once, and the session has logged why.
            BrokerEvent::Down { answered: true, .. } => None,
            BrokerEvent::Down {
                cause, retry_in, ..
            } => {
                // Once for an outage; each further attempt is of no interest.
                if self.down {
                    debug!(target: "gorgon::listener", retry_in:?; "still no connection to the broker: {cause}");
                } else {
                    warn!(target: "gorgon::listener", "no connection to the broker, trying again: {cause}");
                }
                self.down = true;
                None
            }
            BrokerEvent::Delivery(delivery) => {
                self.session.ack(delivery.token);
                self.told(&delivery)
            }
            BrokerEvent::Confirmed { tag } | BrokerEvent::Acked { tag, .. } => {
                self.voice.settled(tag);
                self.answers.remove(&tag);
                None
            }
            BrokerEvent::Unroutable { tag } => {
                self.voice.settled(tag);
                self.answers.remove(&tag).map(|job| {
                    info!(target: "gorgon::listener", job:%; "the originator of the job is gone");
                    host::Event::Abandoned(job)
                })
            }
            BrokerEvent::TooLarge { tag } => {
                self.voice.say_less(&self.session, tag);
                None
            }
            BrokerEvent::ConsumerEnded { queue, missing } => {
                debug!(target: "gorgon::listener", queue, missing; "a queue of ours is gone");
                self.consume_again(&queue);
                None
            }
            BrokerEvent::ConsumerRefused { queue, said } => {
                warn!(target: "gorgon::listener", queue; "the broker does not let us consume it: {said}");
                None
            }
            BrokerEvent::Blocked { reason } => {
                warn!(target: "gorgon::listener", "the broker takes no messages: {reason}");
                None
            }
            BrokerEvent::Unblocked => {
                info!(target: "gorgon::listener", "the broker takes messages again");
                None
            }
            // The loop ends by the one.
            BrokerEvent::Drained { .. } | BrokerEvent::GaveUp { .. } => None,
        }
    }

    /// A queue that goes with its last consumer may go between our old connection and the new one;
    /// somebody may delete it, too.
    fn consume_again(&mut self, queue: &str) {
        if queue == self.voice.queue {
            let setup = topology::setup(&self.voice);
            self.session.declare(setup.declare);
            for consume in setup.consume {
                self.session.consume(consume);
            }
            self.voice.announce(&self.session);
            return;
        }
        let job = self
            .host
            .jobs()
            .into_iter()
            .find(|job| topology::control_queue(&self.voice, job) == queue);
        if let Some(job) = job {
            self.listen_for_cancel(&job);
        }
    }

    /// A cancel must reach us while the job waits or is prepared; later its manager hears it too.
    fn listen_for_cancel(&self, job: &JobId) {
        let (declare, consume) = topology::control(&self.voice, job);
        self.session.declare(declare);
        self.session.consume(consume);
    }

    fn told(&mut self, delivery: &Delivery) -> Option<host::Event> {
        match message::read_to_listener(&delivery.body) {
            Ok(ToListener::Ping(ping)) => {
                match ReplyTo::new(&ping.reply_exchange, &ping.reply_queue_name) {
                    Some(to) => {
                        let (free, jobs) = (self.host.free(), self.host.jobs());
                        self.voice.pong(&self.session, &to, free, jobs);
                    }
                    None => {
                        warn!(target: "gorgon::listener", "dropped a ping that is to be answered elsewhere");
                    }
                }
                None
            }
            Ok(ToListener::Control(Control::CancelJob { job })) => {
                Some(host::Event::Cancelled(job))
            }
            // These are for managers.
            Ok(ToListener::Control(
                Control::LeaveJob { .. }
                | Control::LeaveSlot { .. }
                | Control::JobOver { .. }
                | Control::ItemWaits { .. },
            )) => None,
            Ok(ToListener::Job(_)) => self.offered(delivery),
            // A definition of another version may not be readable; the gate names both.
            Err(_) if delivery.body.windows(14).any(|w| w == b"job_definition") => {
                self.offered(delivery)
            }
            Err(why) => {
                let queue = delivery.queue.as_str();
                warn!(target: "gorgon::listener", queue; "dropped a message that is none of ours: {why}");
                None
            }
        }
    }

    fn offered(&mut self, delivery: &Delivery) -> Option<host::Event> {
        let signature = delivery.headers.get(sign::HEADER).map(String::as_str);
        let admission = self.gate.admit(&delivery.body, signature, unix_s());
        match self.kept(admission) {
            Admission::Admitted(definition) => {
                let job = definition.job.clone();
                info!(
                    target: "gorgon::listener",
                    job:%, project = definition.project.as_str(),
                    from = definition.originator_host.as_str(), items = definition.items;
                    "job offered"
                );
                let most = definition.most_slots();
                if self.definitions.insert(job.clone(), *definition).is_none() {
                    self.listen_for_cancel(&job);
                }
                Some(host::Event::Offered { job, most })
            }
            // One of a job that is here already: the same message once more, after its sender had lost
            // its connection, or somebody else's. Its originator would take it for the end of its job here.
            Admission::Refused { job, reason, .. } if self.host.jobs().contains(&job) => {
                warn!(target: "gorgon::listener", job:%; "dropped another offer of a job that is here: {reason}");
                None
            }
            Admission::Refused { job, to, reason } => {
                warn!(target: "gorgon::listener", job:%; "job refused: {reason}");
                self.voice
                    .answer(&self.session, &to, Answer::Refused, reason);
                None
            }
            Admission::Malformed(why) => {
                warn!(target: "gorgon::listener", "dropped a job definition: {why}");
                None
            }
        }
    }

    /// Refuses a job whose signature cannot be kept on disk: it could be used again.
    fn kept(&mut self, admission: Admission) -> Admission {
        let Some(replays) = &mut self.replays else {
            return admission;
        };
        match (replays.keep(self.gate.memory()), admission) {
            (Err(error), Admission::Admitted(definition)) => Admission::Refused {
                to: ReplyTo::of(&definition),
                job: definition.job,
                reason: format!(
                    "the signature cannot be kept in {} against a replay: {error}",
                    replays.path().display()
                ),
            },
            (_, admission) => admission,
        }
    }

    /// Answers an offer. A job that is not refused is over if no queue takes the answer.
    pub(super) fn answer(&mut self, job: &JobId, answer: Answer, reason: String) {
        let Some(definition) = self.definitions.get(job) else {
            return;
        };
        info!(target: "gorgon::listener", job:%, answer:?; "answered {reason}");
        let to = ReplyTo::of(definition);
        let tag = self.voice.answer(&self.session, &to, answer, reason);
        match answer {
            Answer::Accepted | Answer::Busy => {
                self.answers.insert(tag, job.clone());
            }
            Answer::Refused => self.forget(job),
        }
    }

    /// Forgets a job, and the queue by which we would hear of its cancel; unless it is served, or
    /// waits, since it was offered again meanwhile.
    pub(super) fn forget(&mut self, job: &JobId) {
        if self.host.jobs().contains(job) {
            return;
        }
        self.definitions.remove(job);
        self.answers.retain(|_, answered| answered != job);
        // Without the first, the session would hold the ended consumer as long as its connection lives.
        let queue = topology::control_queue(&self.voice, job);
        self.session.stop_consuming(&queue);
        self.session.delete_queue(&queue);
    }
}
