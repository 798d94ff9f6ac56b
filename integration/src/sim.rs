//! A whole job in one thread and in virtual time: the real ledger, real workers, a broker that loses connections and
//! forgets, and Ruby children of dice. Each seed is another history.
//!
//! What is real: [`Ledger`] and `Work`, to which nothing tells that this is not the world. What is not: the broker
//! (a queue that redelivers, confirms that get lost with their connection, replies that get lost with the broker), the
//! manager (it replaces workers that die) and Ruby.

mod host;
mod worker;

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use gorgon_originator::ledger::{Effect, Ending, Event, Happening, Ledger, Rules};
use gorgon_proto::{
    item::{ItemId, WorkItem},
    message::Reply,
    outcome::FinishType,
};
use gorgon_worker::event as of_work;

use worker::Worker;

/// A job that runs longer than this has got stuck.
const STUCK_AFTER: Duration = Duration::from_secs(3600);

/// How wild a history is.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Items of the job.
    pub items: u32,
    /// Workers of its one host.
    pub workers: u32,
    /// Workers that are killed.
    pub kills: u32,
    /// Connections of workers that are cut for a while.
    pub cuts: u32,
    /// Restarts of the broker, with all that it held.
    pub restarts: u32,
    /// How often failed tests are tried again; some fail only where this is not 0.
    pub retries: u32,
    /// Whether the user ends the job.
    pub cancel: bool,
}

/// Numbers that only the seed decides.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn ms(&mut self, most: u64) -> Duration {
        Duration::from_millis(self.roll(most) + 1)
    }
}

/// What will happen.
#[derive(Debug)]
enum Due {
    /// A reply reaches the ledger, unless the broker has forgotten it.
    Reply { broker: u32, reply: Box<Reply> },
    /// Something is told to a worker that still lives; with a connection's number, only if that still stands.
    Work {
        worker: u32,
        connection: Option<u32>,
        event: of_work::Event,
    },
    /// A Ruby child says something, unless it has ended or been told otherwise.
    Child {
        worker: u32,
        child: u32,
        order: u32,
        event: gorgon_ruby::ChildEvent,
    },
    /// A worker's connection stands again.
    Up { worker: u32 },
    /// The broker gives back what a lost connection held.
    Requeue(WorkItem),
    /// A worker is killed.
    Kill,
    /// A worker's connection is cut.
    Cut,
    /// The broker restarts.
    Restart,
    /// The originator is connected again.
    OriginatorUp,
    /// The manager starts a worker in this slot.
    Start { slot: u32 },
    /// The user presses Ctrl-C.
    Cancel,
}

/// The world of one job.
#[derive(Debug)]
pub struct World {
    dice: Dice,
    start: Instant,
    now: Instant,
    due: BTreeMap<(Instant, u64), Due>,
    last_order: u64,
    ledger: Ledger,
    /// The file queue, while it exists: item, redelivered.
    queue: Option<VecDeque<(WorkItem, bool)>>,
    /// How often the broker has started.
    broker: u32,
    originator_up: bool,
    workers: BTreeMap<u32, Worker>,
    last_pid: u32,
    host_left: bool,
    cancelled: bool,
    verdicts: BTreeMap<ItemId, u32>,
    /// Tests fail in so many of a hundred executions.
    unlucky: u64,
    /// Whether an item failed that is to be tried again.
    failed: bool,
    /// What was queued to be tried again: which retry it is.
    retries: BTreeMap<ItemId, u32>,
    /// Retries that were told to be over.
    retried: BTreeMap<ItemId, u32>,
    over: Option<Ending>,
    /// The last things that happened, for who looks into a failure.
    story: VecDeque<String>,
}

impl World {
    /// Makes the world of a seed.
    pub fn new(seed: u64, weather: Weather) -> Self {
        let now = Instant::now();
        let work: Vec<_> = (0..weather.items)
            .map(|n| WorkItem::whole(ItemId(n), format!("f{n}")))
            .collect();
        let rules = Rules {
            retries: weather.retries,
            fail_fast: None,
            local: false,
            wait_limit: Duration::from_secs(60),
            callback_limit: Duration::from_secs(600),
            cancel_limit: Duration::from_secs(60),
        };
        let mut world = Self {
            dice: Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            start: now,
            now,
            due: BTreeMap::new(),
            last_order: 0,
            queue: Some(work.iter().map(|work| (work.clone(), false)).collect()),
            ledger: Ledger::new(rules, work),
            broker: 1,
            originator_up: true,
            workers: BTreeMap::new(),
            last_pid: 0,
            host_left: false,
            cancelled: false,
            verdicts: BTreeMap::new(),
            unlucky: if weather.retries > 0 { 30 } else { 0 },
            failed: false,
            retries: BTreeMap::new(),
            retried: BTreeMap::new(),
            over: None,
            story: VecDeque::new(),
        };
        world.tell_ledger(Event::Offered);
        world.join(weather.workers);
        // As long as a calm job of this size takes, and some more.
        let span = u64::from(weather.items) * 4000 / u64::from(weather.workers) + 4000;
        for _ in 0..weather.kills {
            world.at_random(span, Due::Kill);
        }
        for _ in 0..weather.cuts {
            world.at_random(span, Due::Cut);
        }
        for _ in 0..weather.restarts {
            world.at_random(span, Due::Restart);
        }
        if weather.cancel {
            world.at_random(span, Due::Cancel);
        }
        world
    }

    /// Lets it run to its end, and says what is wrong with it.
    ///
    /// # Errors
    /// What is wrong, and what happened last.
    pub fn run(mut self, weather: Weather) -> Result<(), String> {
        while self.over.is_none() && self.now < self.start + STUCK_AFTER {
            if !self.step() {
                break;
            }
        }
        let complete = match &self.over {
            Some(Ending::Complete) => true,
            Some(Ending::Cancelled) => weather.cancel,
            _ => false,
        };
        let items = weather.items as usize + self.retries.len();
        let all = self.verdicts.len() == items || self.over == Some(Ending::Cancelled);
        let once = self.verdicts.values().all(|times| *times == 1);
        let tried = self
            .retries
            .values()
            .all(|number| *number <= weather.retries)
            && self.retried.iter().all(|(item, times)| {
                *times == 1 && self.retries.contains_key(item) && self.verdicts.contains_key(item)
            })
            && (self.over == Some(Ending::Cancelled)
                || (self.retried.len() == self.retries.len()
                    && self.failed != self.retries.is_empty()));
        if complete && all && once && tried {
            return Ok(());
        }
        let states: Vec<_> = self
            .workers
            .iter()
            .map(|(pid, worker)| format!("{pid}: {worker:?}"))
            .collect();
        Err(format!(
            "ended with {:?} after {:?}; retries {:?}, over {:?}, verdicts {:?}, open {:?}, queue {:?}\n{}\n{}",
            self.over,
            self.now - self.start,
            self.retries,
            self.retried,
            self.verdicts,
            self.ledger.open_items(),
            self.queue,
            states.join("\n"),
            self.story.into_iter().collect::<Vec<_>>().join("\n")
        ))
    }

    /// Does the next thing that is due; false when nothing is.
    fn step(&mut self) -> bool {
        let first = self.due.first_key_value().map(|(key, _)| key.0);
        let of_worker = self
            .workers
            .iter()
            .filter_map(|(pid, worker)| Some((worker.work.deadline()?, *pid)))
            .min();
        let deadlines = [of_worker.map(|(at, _)| at), self.ledger.deadline()]
            .into_iter()
            .flatten()
            .min();
        match (first, deadlines) {
            (None, None) => false,
            (Some(at), deadline) if deadline.is_none_or(|deadline| at <= deadline) => {
                let (_, due) = self.due.pop_first().expect("it was just looked at");
                self.now = self.now.max(at);
                self.happen(due);
                true
            }
            (_, Some(at)) => {
                self.now = self.now.max(at);
                match of_worker.filter(|(due, _)| *due == at) {
                    Some((_, pid)) => self.tell_worker(pid, of_work::Event::DeadlinePassed),
                    None => self.tell_ledger(Event::DeadlinePassed),
                }
                true
            }
            (Some(_), None) => unreachable!("the arm above takes it"),
        }
    }

    fn happen(&mut self, due: Due) {
        self.note(format!("{due:?}"));
        match due {
            Due::Reply { broker, reply } => {
                if broker == self.broker && self.originator_up {
                    self.tell_ledger(Event::Reply(reply));
                } else if broker == self.broker {
                    // It waits in the queue for the originator.
                    self.after(Duration::from_millis(200), Due::Reply { broker, reply });
                }
            }
            Due::Work {
                worker,
                connection,
                event,
            } => {
                let stands =
                    |w: &Worker| connection.is_none_or(|number| w.up && w.connection == number);
                if self.workers.get(&worker).is_some_and(stands) {
                    self.tell_worker(worker, event);
                }
            }
            Due::Child {
                worker,
                child,
                order,
                event,
            } => self.child_says(worker, child, order, event),
            Due::Up { worker } => self.reconnect(worker),
            Due::Requeue(work) => {
                if let Some(queue) = &mut self.queue {
                    queue.push_front((work, true));
                }
                self.deliver();
            }
            Due::Kill => self.kill_one(),
            Due::Cut => self.cut_one(),
            Due::Restart => self.restart_broker(),
            Due::OriginatorUp => {
                self.originator_up = true;
                let file_queue_missing = self.queue.is_none();
                self.tell_ledger(Event::BrokerBack { file_queue_missing });
            }
            Due::Start { slot } => self.start_worker(slot),
            Due::Cancel => {
                if self.over.is_none() {
                    self.tell_ledger(Event::Cancelled);
                }
            }
        }
    }

    fn tell_ledger(&mut self, event: Event) {
        for effect in self.ledger.step(self.now, event) {
            self.note(format!("    ledger: {effect:?}"));
            match effect {
                Effect::Publish(work) => {
                    if let Some(queue) = &mut self.queue {
                        queue.push_back((work, false));
                    }
                    self.deliver();
                }
                Effect::DeclareFileQueue => {
                    self.queue.get_or_insert_default();
                }
                Effect::PurgeFileQueue => {
                    if let Some(queue) = &mut self.queue {
                        queue.clear();
                    }
                }
                Effect::DeleteFileQueue => {
                    self.queue = None;
                    self.end_consumers();
                }
                Effect::SendCancel => self.cancel_workers(),
                Effect::LookAtHosts(hosts) => {
                    let consumers = (!self.host_left).then_some(1);
                    for (listener_id, _) in hosts {
                        self.tell_ledger(Event::HostLooked {
                            listener_id,
                            consumers,
                        });
                    }
                }
                Effect::LookAtFileQueue if self.queue.is_none() && self.originator_up => {
                    self.tell_ledger(Event::FileQueueMissing);
                }
                Effect::LookAtFileQueue => {}
                Effect::Tell(Happening::ItemFinished { finish, .. }) => {
                    self.failed |= finish.kind == FinishType::Fail;
                    self.verdict(finish.item);
                }
                Effect::Tell(Happening::ItemLost { item, .. }) => self.verdict(item),
                Effect::Tell(Happening::RetryQueued { item, .. }) => {
                    self.retries.insert(item.item, item.retry);
                }
                Effect::Tell(Happening::Retried { item, .. }) => {
                    *self.retried.entry(item).or_default() += 1;
                }
                Effect::Done(ending) => self.over = Some(ending),
                // The other listeners of this world are deaf, and what the user reads is not looked at.
                _ => {}
            }
        }
    }

    fn verdict(&mut self, item: ItemId) {
        *self.verdicts.entry(item).or_default() += 1;
    }

    fn restart_broker(&mut self) {
        self.broker += 1;
        self.queue = None;
        for pid in self.workers.keys().copied().collect::<Vec<_>>() {
            let after = Duration::from_millis(500) + self.dice.ms(5000);
            self.disconnect(pid, after, false);
        }
        if self.originator_up {
            self.originator_up = false;
            self.tell_ledger(Event::BrokerLost);
            let after = Duration::from_millis(500) + self.dice.ms(5000);
            self.after(after, Due::OriginatorUp);
        }
    }

    fn after(&mut self, span: Duration, due: Due) {
        self.last_order += 1;
        self.due.insert((self.now + span, self.last_order), due);
    }

    fn at_random(&mut self, span_ms: u64, due: Due) {
        let at = self.dice.ms(span_ms);
        self.after(at, due);
    }

    fn note(&mut self, line: String) {
        if self.story.len() == 200 {
            self.story.pop_front();
        }
        self.story.push_back(format!(
            "{:>9.3} {line}",
            (self.now - self.start).as_secs_f64()
        ));
    }
}
