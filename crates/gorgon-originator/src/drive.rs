//! The loop of a running job: events to the ledger, its effects to the broker and the reports.

use std::collections::VecDeque;
use std::thread;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, at, bounded, never, select_biased};
use gorgon_broker::{Delivery, Event as Broker, Session, Target, Token};
use gorgon_process::child::End;
use gorgon_process::{Signal, exit};
use gorgon_proto::item::ItemId;
use gorgon_proto::message::Reply;
use gorgon_proto::{message, names};

use crate::awaited::Awaited;
use crate::coverage::Shares;
use crate::job::{Job, NO_TAG};
use crate::ledger::{Effect, Ending, Event, Kept, Ledger};
use crate::local::Local;
use crate::looks::{self, Look, request};
use crate::report::progress::{self, LONG_ITEM, REDRAW_INTERVAL};
use crate::report::{Results, json};
use crate::run::BROKER_LIMIT;
use crate::screen::{Screen, Stream};
use crate::warm::Told;

/// So many deliveries are acknowledged at once: each acknowledgement by itself would wake three threads. A
/// fraction of what the broker lets us hold unacknowledged.
const ACKS: usize = 32;
/// So many looks wait for their turn; further ones are left out, and come again.
const LOOKS: usize = 16;

/// Everything that a running job needs.
#[derive(Debug)]
pub struct Drive<'a> {
    /// The job.
    pub job: &'a Job,
    /// The state of its items.
    pub ledger: Ledger,
    /// What the reports know.
    pub results: Results,
    /// The broker.
    pub session: &'a Session,
    /// How the broker is reached for looks.
    pub target: Target,
    /// The listener of `--local`.
    pub local: Option<Local>,
    /// INT, TERM and HUP.
    pub signals: &'a Receiver<Signal>,
    /// The terminal.
    pub screen: &'a mut Screen,
    /// The event stream.
    pub stream: &'a mut Stream,
    /// When the job started.
    pub started: Instant,
    /// Deliveries that are in the ledger, and not acknowledged yet: soon, or with the next tick.
    pub taken: Vec<Token>,
    /// The broker is back, and the look by which the ledger hears of it found no place among the others.
    pub back: bool,
    /// What SimpleCov measured in the Ruby children.
    pub coverage: Shares,
    /// The wait for the first listener.
    pub awaited: Awaited,
    /// What the keeper of a warm application says to the user.
    pub(crate) told: Receiver<Told>,
}

impl Drive<'_> {
    /// Runs the job to its end.
    pub fn run(&mut self) -> Ending {
        let (ask, asked) = bounded(LOOKS);
        let (answer, mut looks) = bounded(LOOKS);
        let watcher = self.start_looking(asked, answer);
        let mut queue = VecDeque::from([Event::Offered]);
        let mut down = false;
        let mut told_long = std::collections::BTreeSet::new();
        let tick = crossbeam_channel::tick(REDRAW_INTERVAL);
        let mut ending = None;
        while ending.is_none() {
            let Some(event) = queue.pop_front() else {
                self.wait(
                    &mut looks,
                    &tick,
                    &ask,
                    &mut down,
                    &mut queue,
                    &mut told_long,
                );
                continue;
            };
            log::debug!(target: "gorgon::originator", event:?; "event");
            for effect in self.ledger.step(Instant::now(), event) {
                log::debug!(target: "gorgon::originator", effect:?; "effect");
                if let Some(end) = self.perform(effect, &ask, &mut queue) {
                    ending = Some(end);
                }
            }
        }
        drop(ask);
        drop(looks);
        if let Some(watcher) = watcher
            && watcher.is_finished()
        {
            // One that still looks ends by itself, within the limit of its look.
            let _ = watcher.join();
        }
        let ending = ending.expect("the loop ends with an ending");
        self.results.close(&ending);
        ending
    }

    fn start_looking(
        &self,
        asked: Receiver<Look>,
        answer: Sender<Event>,
    ) -> Option<thread::JoinHandle<()>> {
        let target = Target {
            limit: looks::LIMIT,
            ..self.target.clone()
        };
        let file_queue = self.job.definition.file_queue_name.clone();
        let mark = names::mark_queue(self.job.id());
        let looking = move || {
            for look in asked {
                for event in look.at(&target, [&file_queue, &mark]) {
                    if answer.send(event).is_err() {
                        return;
                    }
                }
            }
        };
        let started = thread::Builder::new()
            .name("looks".to_owned())
            .spawn(looking);
        if let Err(error) = &started {
            log::error!(target: "gorgon::originator", error:%; "no thread to look at queues");
        }
        started.ok()
    }

    /// The one place that waits.
    fn wait(
        &mut self,
        looks: &mut Receiver<Event>,
        tick: &Receiver<Instant>,
        ask: &Sender<Look>,
        down: &mut bool,
        queue: &mut VecDeque<Event>,
        told_long: &mut std::collections::BTreeSet<String>,
    ) {
        let timer = self.ledger.deadline().map_or_else(never, at);
        let ended = self.local.as_ref().map_or_else(never, Local::ended);
        let event = select_biased! {
            recv(self.signals) -> signal => match signal {
                Ok(signal) => {
                    self.screen.say(&format!("{signal}: ending the job; once more skips the waiting"));
                    Some(Event::Cancelled)
                }
                Err(_) => None,
            },
            recv(looks) -> event => match event {
                Ok(event) => {
                    if matches!(event, Event::BrokerBack { files: Kept::Queue | Kept::Nothing }) {
                        self.session.publish(self.job.mark());
                    }
                    Some(event)
                }
                // There is no thread that looks. Disconnected, it would be ready for ever, before all that follows.
                Err(_) => {
                    *looks = never();
                    None
                }
            },
            recv(ended) -> end => Some(self.listener_ended(end.ok())),
            recv(timer) -> _ => Some(Event::DeadlinePassed),
            recv(self.told) -> told => {
                match told {
                    Ok((text, false)) => self.screen.tell(&text),
                    Ok((text, true)) => self.screen.explain(&text),
                    Err(_) => self.told = never(),
                }
                None
            }
            recv(tick) -> _ => {
                self.acknowledge();
                if self.back {
                    self.back = !request(ask, Look::FileQueue { back: true });
                }
                self.tell_long(told_long);
                let waited = self.awaited.said(&self.results, self.started.elapsed());
                if let Some(line) = waited.filter(|_| self.local.is_none()) {
                    self.screen.tell(&line);
                }
                self.screen.draw(&self.results, self.started.elapsed());
                None
            }
            recv(self.session.events()) -> event => match event {
                Ok(Broker::Delivery(delivery)) => {
                    queue.extend(self.delivered(delivery));
                    None
                }
                Ok(event) => self.broker(event, ask, down),
                Err(_) => Some(Event::BrokerGaveUp),
            },
        };
        queue.extend(event);
    }

    fn acknowledge(&mut self) {
        for token in self.taken.drain(..) {
            self.session.ack(token);
        }
    }

    fn listener_ended(&mut self, end: Option<End>) -> Event {
        let end = end.map_or_else(|| "an unknown end".to_owned(), |end| end.to_string());
        if let Some(local) = &mut self.local {
            local.forget_end();
        }
        Event::LocalListenerEnded { end }
    }

    fn tell_long(&mut self, told: &mut std::collections::BTreeSet<String>) {
        let now = self.started.elapsed();
        for file in self.results.running_since(now.saturating_sub(LONG_ITEM)) {
            if told.insert(file.clone()) {
                self.screen.tell(&format!(
                    "{} has been running for {} s",
                    crate::report::visible::one_line(&file),
                    LONG_ITEM.as_secs()
                ));
            }
        }
    }

    /// Takes a message: what it says, in order.
    fn delivered(&mut self, delivery: Delivery) -> Vec<Event> {
        self.taken.push(delivery.token);
        if self.taken.len() >= ACKS {
            self.acknowledge();
        }
        if delivery.queue != self.job.definition.reply_queue_name {
            let announced = read(message::read(&delivery.body)).map(Event::Announced);
            return announced.into_iter().collect();
        }
        let mut events = Vec::new();
        for reply in read(message::read_replies(&delivery.body)).unwrap_or_default() {
            match reply {
                Reply::Coverage(share) => self.coverage.take(&share),
                reply => events.push(Event::Reply(Box::new(reply))),
            }
        }
        events
    }

    fn broker(&mut self, event: Broker, ask: &Sender<Look>, down: &mut bool) -> Option<Event> {
        match event {
            Broker::Up if *down => {
                *down = false;
                self.back = !request(ask, Look::FileQueue { back: true });
                None
            }
            Broker::Up => None,
            Broker::Down {
                cause,
                answered: true,
                ..
            } => {
                log::info!(target: "gorgon::originator", cause:%; "the broker closed a channel");
                None
            }
            Broker::Down { cause, .. } => {
                log::info!(target: "gorgon::originator", cause:%; "no connection");
                self.back = false;
                let first = !std::mem::replace(down, true);
                first.then_some(Event::BrokerLost)
            }
            Broker::Delivery(_) => None,
            Broker::Unroutable { tag } if tag != NO_TAG => {
                request(ask, Look::FileQueue { back: false });
                None
            }
            Broker::Confirmed { .. } | Broker::Acked { .. } | Broker::Unroutable { .. } => None,
            Broker::TooLarge { tag } => Some(Event::MessageTooLarge {
                item: u32::try_from(tag).ok().map(ItemId),
                what: self.too_large(tag),
            }),
            Broker::ConsumerEnded { queue, .. } => {
                if queue == self.job.definition.reply_queue_name {
                    self.session.declare(self.job.reply_queue());
                    self.session.consume(self.job.replies());
                    request(ask, Look::FileQueue { back: false });
                    return Some(Event::ReplyQueueLost);
                }
                // Hosts that took us for gone have deleted it too.
                self.session.declare(self.job.own_queue());
                self.session.consume(self.job.announcements());
                Some(Event::AnnouncementsLost)
            }
            Broker::ConsumerRefused { queue, said } => {
                self.screen
                    .say(&format!("the broker does not let us read {queue}: {said}"));
                Some(Event::BrokerGaveUp)
            }
            Broker::Blocked { reason } => {
                self.screen
                    .tell(&format!("the broker takes no messages now: {reason}"));
                Some(Event::BrokerBlocked)
            }
            Broker::Unblocked => {
                self.screen.tell("the broker takes messages again");
                Some(Event::BrokerUnblocked)
            }
            Broker::Drained { .. } => None,
            Broker::GaveUp { cause } => {
                let limit = BROKER_LIMIT.as_secs();
                let line = format!("the broker stays away for more than {limit} s: {cause}");
                self.screen.say(&line);
                Some(Event::BrokerGaveUp)
            }
        }
    }

    /// Says what it is that the broker does not take.
    fn too_large(&self, tag: u64) -> String {
        let definition = &self.job.definition;
        if tag == NO_TAG {
            let bytes = message::write(definition).len();
            return format!("the job definition, {bytes} bytes");
        }
        let item = u32::try_from(tag).ok();
        match item.and_then(|item| self.ledger.file_of(ItemId(item))) {
            Some(file) => format!("the list of tests to run of {file}"),
            None => "a list of tests to run".to_owned(),
        }
    }

    fn perform(
        &mut self,
        effect: Effect,
        ask: &Sender<Look>,
        queue: &mut VecDeque<Event>,
    ) -> Option<Ending> {
        let files = &self.job.definition.file_queue_name;
        match effect {
            Effect::Publish(work) => {
                self.session
                    .publish(self.job.queued(std::slice::from_ref(&work)));
            }
            Effect::PublishBundle(works) => self.session.publish(self.job.queued(&works)),
            Effect::DeclareFileQueue => self.session.declare_once(self.job.file_queue()),
            Effect::Offer => self.session.publish(self.job.offer()),
            Effect::OfferTo(to) => self.session.publish(self.job.offer_to(&to)),
            Effect::SendAway(queue) => self.session.publish(self.job.leave(&queue)),
            Effect::SendSlotAway(queue, slot) => {
                self.session.publish(self.job.leave_slot(&queue, slot));
            }
            Effect::WakeHost(queue) => self.session.publish(self.job.item_waits(&queue)),
            Effect::SendCancel => self.session.publish(self.job.cancel()),
            Effect::PurgeFileQueue | Effect::EmptyFileQueue => self.session.purge(files),
            Effect::DeleteFileQueue => {
                self.session.delete_queue(files);
                // A host whose slots other jobs use has no worker that would see it.
                self.session.publish(self.job.over());
            }
            Effect::DeleteQueue(queue) => self.session.delete_foreign_queue(&queue),
            Effect::LookAtHosts(hosts) => {
                request(ask, Look::Hosts(hosts));
            }
            Effect::LookAtFileQueue => {
                request(ask, Look::FileQueue { back: false });
            }
            Effect::StartLocalListener => {
                if let Some(local) = &mut self.local
                    && let Err(error) = local.start_again()
                {
                    let end = exit::chain(&error);
                    queue.push_back(Event::LocalListenerEnded { end });
                }
            }
            Effect::Tell(happening) => {
                let at = self.started.elapsed();
                let before = self.results.bad.len();
                self.results.take(at, &happening);
                if self.stream.is_open()
                    && let Some(line) = json::happened(at, &happening)
                {
                    self.stream.write(&line);
                }
                let (detail, bar) = (self.screen.detail(), self.screen.has_bar());
                let said = progress::said(&happening, &self.results, detail, bar);
                if let Some(line) = &said {
                    self.screen.say(line);
                }
                // The bar turns red at once.
                if self.screen.has_bar() && (said.is_some() || self.results.bad.len() > before) {
                    self.screen.draw(&self.results, at);
                }
            }
            Effect::Done(ending) => return Some(ending),
        }
        None
    }
}

fn read<T>(read: Result<T, String>) -> Option<T> {
    match read {
        Ok(message) => Some(message),
        Err(fault) => {
            log::warn!(target: "gorgon::originator", fault:%; "a message that cannot be read is dropped");
            None
        }
    }
}
