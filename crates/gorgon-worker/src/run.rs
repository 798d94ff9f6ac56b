//! The shell: the only place of the worker that waits, and the one that performs.

mod telling;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Select, never};
use gorgon_process::exit;
use gorgon_process::lease::Lease;
use gorgon_process::logging;
use gorgon_process::signals::{self, Signal};
use gorgon_proto::local::{Noted, WORKER_PRELOADER_LOST, WorkerLine};
use gorgon_ruby::{ChildEvent, ForkRequest, PreloaderEvent, PreloaderLink, RubyChild};
use log::{debug, error, warn};

use crate::children::ChildNo;
use crate::cli::Args;
use crate::event::{Effect, Event, Exit};
use crate::hand::Hand;
use crate::idle::Idleness;
use crate::manager;
use crate::note::Note;
use crate::own_preloader::OwnPreloader;
use crate::printer::Printer;
use crate::queue::{Queue, ReplyTo};
use crate::start::{self, Plan, StartError};
use crate::trace::WorkTrace;
use crate::work::Work;

/// Runs a worker to its end; returns its exit code.
///
/// # Errors
/// When it cannot begin.
pub fn run(args: &Args) -> Result<u8, StartError> {
    let began = Instant::now();
    logging::init(&args.log_fields())?;
    let signals = signals::listen(&[
        Signal::Int,
        Signal::Term,
        Signal::Hup,
        Signal::Usr1,
        Signal::Usr2,
        Signal::Quit,
    ])
    .map_err(StartError::Signals)?;
    if let Some(socket) = &args.preloader {
        // As the manager does: it may die first.
        let _lease = Lease::join(&args.workspace).map_err(StartError::Lease)?;
        let (definition, gone) = manager::meet()?;
        let plan = start::managed(args, &definition)?;
        let link = PreloaderLink::connect(socket)?;
        let shell = Shell::new(args, plan, link, signals, gone, None, began)?;
        return Ok(shell.run().0);
    }
    let mut plan = start::by_hand(args)?;
    let Some(ruby) = plan.ruby.take() else {
        return Err(StartError::Usage(
            "by hand a preloader is needed".to_owned(),
        ));
    };
    let limit = ruby.callback_timeout;
    let own = OwnPreloader::start(&ruby, &signals)?;
    let link = PreloaderLink::connect(&own.socket())?;
    let shell = Shell::new(args, plan, link, signals, never(), Some(own), began)?;
    let (code, own) = shell.run();
    let Some(own) = own else { return Ok(code) };
    match own.end(limit) {
        Ok(()) => Ok(code),
        Err(failed) if code == exit::OK => Err(failed.into()),
        Err(failed) => {
            error!(target: "gorgon::worker", "{failed}");
            Ok(code)
        }
    }
}

/// Where items come from and replies go.
enum Source {
    Queue(Box<Queue>),
    Hand(Hand),
}

struct Living {
    child: RubyChild,
    pid: Option<u32>,
    /// Signals for a child that has not told its number yet.
    waiting: Vec<Signal>,
}

struct Shell {
    work: Work,
    /// What the core does first.
    first: Vec<Effect>,
    source: Source,
    link: PreloaderLink,
    children: BTreeMap<ChildNo, Living>,
    /// Events that effects have caused at once.
    caused: VecDeque<Event>,
    signals: Receiver<Signal>,
    manager: Receiver<()>,
    own: Option<OwnPreloader>,
    slot: u32,
    test_env_number: u32,
    managed: bool,
    idle: Idleness,
    /// The file where the manager finds what it does; none: the manager is sent the first item of each delivery.
    note: Option<Note>,
    noted: Noted,
    printer: Printer,
    broken_pipe: bool,
    trace: WorkTrace,
}

/// What woke the loop.
enum Woken {
    Event(Event),
    Nothing,
    ManagerGone,
}

impl Shell {
    fn new(
        args: &Args,
        plan: Plan,
        link: PreloaderLink,
        signals: Receiver<Signal>,
        manager: Receiver<()>,
        own: Option<OwnPreloader>,
        began: Instant,
    ) -> Result<Self, StartError> {
        let mut caused = VecDeque::new();
        let source = match plan.from {
            start::Source::Hand(items) => {
                let mut hand = Hand::new(items);
                caused.push_back(hand.give());
                Source::Hand(hand)
            }
            start::Source::Queue {
                target,
                file_queue,
                reply_exchange,
                reply_queue,
            } => {
                let role = format!("gorgon-worker {} {}", args.host_name(), std::process::id());
                Source::Queue(Box::new(Queue::open(
                    &target,
                    role,
                    file_queue,
                    ReplyTo {
                        exchange: reply_exchange,
                        queue: reply_queue,
                    },
                    own.is_none(),
                )?))
            }
        };
        let (work, first) = Work::open(plan.settings, Instant::now());
        Ok(Self {
            work,
            first,
            source,
            link,
            children: BTreeMap::new(),
            caused,
            signals,
            manager,
            managed: own.is_none(),
            own,
            slot: args.worker_id,
            test_env_number: args.test_env_number.unwrap_or(args.worker_id),
            idle: Idleness::default(),
            note: args.preloader.as_deref().and_then(telling::note),
            noted: Noted::default(),
            printer: Printer::new(args.format),
            broken_pipe: false,
            trace: WorkTrace::begin(began),
        })
    }

    fn run(mut self) -> (u8, Option<OwnPreloader>) {
        let mut effects = std::mem::take(&mut self.first);
        loop {
            for mut effect in effects {
                debug!(target: "gorgon::worker", effect:?; "effect");
                self.trace.performs(Instant::now(), &mut effect);
                if let Some(exit) = self.perform(effect) {
                    return self.end(exit);
                }
            }
            effects = Vec::new();
            let waits = self.caused.is_empty() && self.work.is_idle();
            self.idle.note(Instant::now(), waits && self.managed);
            let caused = self.caused.pop_front();
            let event = match caused.map_or_else(|| self.wait(), Woken::Event) {
                Woken::Event(event) => event,
                Woken::Nothing => continue,
                Woken::ManagerGone => {
                    // Everything that we hold ends with its connection: the item goes back, the
                    // children die.
                    warn!(target: "gorgon::worker", "the manager is gone");
                    return (exit::ERROR, None);
                }
            };
            debug!(target: "gorgon::worker", event:?; "event");
            self.trace.hears(Instant::now(), &event);
            effects = self.work.step(Instant::now(), event);
        }
    }

    /// Waits for whatever comes first; what is urgent stands first, floods last.
    fn wait(&mut self) -> Woken {
        let no_broker = never();
        let broker = match &self.source {
            Source::Queue(queue) => queue.events().clone(),
            Source::Hand(_) => no_broker,
        };
        let own = self
            .own
            .as_ref()
            .map_or_else(never, |own| own.events().clone());
        let children: Vec<(ChildNo, Receiver<Vec<ChildEvent>>)> = self
            .children
            .iter()
            .map(|(no, living)| (*no, living.child.events().clone()))
            .collect();
        let mut select = Select::new_biased();
        let signals = select.recv(&self.signals);
        let manager = select.recv(&self.manager);
        let preloader = select.recv(&own);
        let queue = select.recv(&broker);
        let first_child = children.first().map(|(_, events)| select.recv(events));
        for (_, events) in children.iter().skip(1) {
            select.recv(events);
        }
        let far = Instant::now() + Duration::from_secs(3600);
        let core = self.work.deadline().unwrap_or(far);
        let idle = self.idle.deadline().unwrap_or(far);
        let due = core.min(idle);
        let Ok(ready) = select.select_deadline(due) else {
            if self.idle.take_due(Instant::now()) {
                manager::tell(&WorkerLine::Idle);
            }
            return if due < core || core == far {
                Woken::Nothing
            } else {
                Woken::Event(Event::DeadlinePassed)
            };
        };
        let index = ready.index();
        if index == signals {
            return match ready.recv(&self.signals) {
                Ok(Signal::Term) if !self.is_by_hand() => Woken::Event(Event::HandBack),
                Ok(Signal::Quit) => Woken::Event(Event::ListenerLost),
                Ok(Signal::Usr1) => {
                    Woken::Event(Event::PreloaderLost("its manager says so".to_owned()))
                }
                Ok(Signal::Usr2) => Woken::Event(Event::SlotWanted),
                Ok(_) => Woken::Event(Event::Cancelled),
                Err(_) => {
                    self.signals = never();
                    Woken::Nothing
                }
            };
        }
        if index == manager {
            let _ = ready.recv(&self.manager);
            return Woken::ManagerGone;
        }
        if index == preloader {
            return match ready.recv(&own) {
                Ok(PreloaderEvent::Ended { end, .. }) => {
                    Woken::Event(Event::PreloaderLost(end.to_string()))
                }
                Ok(_) => Woken::Nothing,
                Err(_) => Woken::Event(Event::PreloaderLost("it ended".to_owned())),
            };
        }
        if index == queue {
            let Source::Queue(queue) = &mut self.source else {
                return Woken::Nothing;
            };
            match ready.recv(&broker) {
                Ok(mut event) => {
                    for before in event.take_before() {
                        self.caused.extend(queue.event(before));
                    }
                    self.caused.extend(queue.event(event));
                }
                Err(_) => {
                    let ended = queue.ended("the session has ended".to_owned());
                    self.caused.push_back(ended);
                }
            }
            return self.first_caused();
        }
        let (no, events) = &children[index - first_child.unwrap_or(index)];
        let lost = |_| vec![ChildEvent::PreloaderLost];
        for said in ready.recv(events).unwrap_or_else(lost) {
            let event = self.child_said(*no, said);
            self.caused.push_back(event);
        }
        self.first_caused()
    }

    /// The first of what woke the loop; the rest follows it.
    fn first_caused(&mut self) -> Woken {
        let first = self.caused.pop_front();
        first.map_or(Woken::Nothing, Woken::Event)
    }

    /// Notes what the shell has to know of a child's words.
    fn child_said(&mut self, no: ChildNo, said: ChildEvent) -> Event {
        match &said {
            ChildEvent::Forked { pid } => {
                if let Some(living) = self.children.get_mut(&no) {
                    living.pid = Some(*pid);
                    for signal in std::mem::take(&mut living.waiting) {
                        self.signal(no, signal);
                    }
                }
            }
            ChildEvent::Ended { .. } | ChildEvent::ForkFailed(_) | ChildEvent::PreloaderLost => {
                self.children.remove(&no);
            }
            _ => {}
        }
        Event::Child(no, said)
    }

    fn perform(&mut self, effect: Effect) -> Option<Exit> {
        match effect {
            Effect::Publish(tag, replies) => self.publish(tag, &replies, None),
            Effect::PublishThenAck(tag, replies, delivery) => {
                self.publish(tag, &replies, Some(delivery));
            }
            Effect::Note(began) => self.note_delivery(began.map(|began| *began)),
            Effect::NoteEnd(ends) => self.note_end(ends),
            Effect::Resend(tag) => {
                if let Source::Queue(queue) = &mut self.source {
                    queue.resend(tag);
                }
            }
            Effect::Ack(delivery) => match &mut self.source {
                Source::Queue(queue) => queue.ack(delivery),
                Source::Hand(hand) => self.caused.push_back(hand.give()),
            },
            Effect::Consume => {
                if let Source::Queue(queue) = &self.source {
                    queue.consume();
                }
            }
            Effect::StopConsuming => match &self.source {
                Source::Queue(queue) => queue.stop_consuming(),
                Source::Hand(_) => self.caused.push_back(Event::Drained),
            },
            Effect::Fork(no, framework, purpose) => {
                let request = ForkRequest {
                    framework,
                    slot: self.slot,
                    test_env_number: self.test_env_number,
                    purpose,
                };
                match self.link.fork(&request) {
                    Ok(child) => {
                        self.children.insert(
                            no,
                            Living {
                                child,
                                pid: None,
                                waiting: Vec::new(),
                            },
                        );
                    }
                    Err(failed) => self
                        .caused
                        .push_back(Event::PreloaderLost(exit::chain(&failed))),
                }
            }
            Effect::Run(no, item, asked, then) => {
                if let Some(living) = self.children.get_mut(&no) {
                    let then: Vec<&str> = then.iter().map(|it| it.filename.as_str()).collect();
                    living.child.run(&item, &asked, &then);
                }
            }
            Effect::Look(no) => {
                if let Some(living) = self.children.get_mut(&no) {
                    living.child.look();
                }
            }
            Effect::Finish(no, stopped) => {
                if let Some(living) = self.children.get_mut(&no) {
                    living.child.finish(stopped);
                }
            }
            Effect::Signal(no, signal) => self.signal(no, signal),
            Effect::Exit(exit) => return Some(exit),
        }
        None
    }

    fn signal(&mut self, no: ChildNo, signal: Signal) {
        let Some(living) = self.children.get_mut(&no) else {
            return;
        };
        let Some(pid) = living.pid else {
            living.waiting.push(signal);
            return;
        };
        if let Err(failed) = self.link.signal(pid, signal) {
            self.caused
                .push_back(Event::PreloaderLost(exit::chain(&failed)));
        }
    }

    /// Says good-bye, and gives the exit code.
    fn end(mut self, exit: Exit) -> (u8, Option<OwnPreloader>) {
        if !self.managed {
            self.print_end();
        }
        let reader = self.reader();
        let passed = match self.source {
            Source::Queue(queue) => {
                queue.close();
                true
            }
            Source::Hand(hand) => hand.passed(),
        };
        let code = match exit {
            Exit::Over if passed => exit::OK,
            Exit::Over => exit::FAILED,
            Exit::Cancelled if self.broken_pipe => exit::FAILED,
            Exit::Cancelled => exit::CANCELLED,
            Exit::HandedBack | Exit::ListenerLost | Exit::SlotGiven => exit::OK,
            Exit::CallbackFailed(error) => manager::tell_end(reader, WorkerLine::Failed { error }),
            Exit::Refused(error) => manager::tell_end(reader, WorkerLine::Refused { error }),
            Exit::PreloaderLost(how) => {
                error!(target: "gorgon::worker", how; "the preloader is gone");
                WORKER_PRELOADER_LOST
            }
            Exit::BrokerGone(cause) => {
                error!(target: "gorgon::worker", cause; "the broker is of no use any more");
                exit::ERROR
            }
        };
        (code, self.own)
    }
}
