//! One connection that stands: waits for commands, deliveries, confirms and notes, until it is lost.

mod consuming;
mod publishing;

use crate::connect::words;
use crate::look::{self, Purged};
use crate::runner::Runner;
use crate::topology::{self, Refused};
use crate::version::Version;
use crate::wish::{Command, Once, Wish};
use crate::{Event, Target};
use amiquip::{
    Channel, Confirm, ConnectionBlockedNotification as Note, Consumer, ConsumerMessage, Error,
    QueueDeleteOptions, Return,
};
use crossbeam_channel::{Receiver, RecvError, Select, never};
use log::{error, warn};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// For one call of the client. A silent broker is noticed by the heartbeats before this; it is for
/// the calls that wait although the connection lives.
const CALL_LIMIT: Duration = Duration::from_secs(15);
/// For a purge or deletion over a connection of its own.
const LOOK_LIMIT: Duration = Duration::from_secs(3);
/// The broker's word for what is not there.
const MISSING: u16 = 404;

/// Why the connection is lost.
#[derive(Debug)]
pub(crate) struct Cause {
    /// In words.
    pub(crate) said: String,
    /// Whether it says no more than that: the connection itself may know why.
    pub(crate) vague: bool,
    /// The broker is there, and has closed our channel as its answer to something of ours.
    pub(crate) answer: bool,
}

impl Cause {
    fn of(error: &Error) -> Cause {
        let told = matches!(
            error,
            Error::ServerClosedChannel { .. } | Error::ServerClosedConnection { .. }
        );
        Cause {
            said: words(error),
            vague: !told,
            answer: matches!(error, Error::ServerClosedChannel { .. }),
        }
    }

    fn ours(said: &str) -> Cause {
        Cause {
            said: said.to_owned(),
            vague: false,
            answer: false,
        }
    }

    fn refused(refused: &Refused) -> Cause {
        Cause {
            answer: refused.by_broker,
            ..Cause::ours(&refused.said)
        }
    }
}

/// How a connection begins.
pub(crate) enum Begun<'c> {
    Up(Live<'c>),
    /// A queue is missing; it is wished no longer, but the channel is gone: once again.
    Missing,
}

/// A queue being consumed.
struct Consuming<'c> {
    queue: String,
    messages: Receiver<ConsumerMessage>,
    /// `None` when cancelled by us: it drains.
    consumer: Option<Consumer<'c>>,
}

/// A connection that stands.
pub(crate) struct Live<'c> {
    epoch: u64,
    version: Version,
    control: &'c Channel,
    publishing: &'c Channel,
    confirms: Receiver<Confirm>,
    returns: Receiver<Return>,
    notes: Receiver<Note>,
    consuming: Vec<Consuming<'c>>,
    /// Ended by the broker, the latest last. Dropping one asks the broker to cancel it once more and
    /// waits for the answer, so the few of a worker stay as long as its connection.
    ended: VecDeque<Consumer<'c>>,
    /// Without their bodies, by delivery tag.
    unacked: BTreeMap<u64, amiquip::Delivery>,
    blocked: bool,
}

/// What the wait has brought.
enum Happened {
    Command(Option<Command>),
    Note(Result<Note, RecvError>),
    Returned(Result<Return, RecvError>),
    Confirmed(Result<Confirm, RecvError>),
    Consumed(usize, Result<ConsumerMessage, RecvError>),
    /// What waits for another event has waited long enough.
    Late,
    Overdue,
}

impl<'c> Live<'c> {
    /// Declares and consumes what is wished.
    pub(crate) fn begin(
        target: &Target,
        wish: &mut Wish,
        epoch: u64,
        version: Version,
        [control, publishing]: [&'c Channel; 2],
        notes: Option<amiquip::Result<Receiver<Note>>>,
    ) -> Result<Begun<'c>, Refused> {
        for one in &wish.declare {
            topology::declare(control, version, one)?;
        }
        // Listening begins before the first publish, else a confirm could be missed.
        let refused = |error| Refused::of("publisher confirms", &error);
        let confirms = publishing
            .listen_for_publisher_confirms()
            .map_err(refused)?;
        let returns = publishing.listen_for_returns().map_err(refused)?;
        publishing.enable_publisher_confirms().map_err(refused)?;
        let mut live = Live {
            epoch,
            version,
            control,
            publishing,
            confirms,
            returns,
            notes: notes.transpose().map_err(refused)?.unwrap_or_else(never),
            consuming: Vec::new(),
            ended: VecDeque::new(),
            unacked: BTreeMap::new(),
            blocked: false,
        };
        for consume in wish.consume.clone() {
            match live.consume(&consume) {
                Ok(()) => {}
                Err(Error::ServerClosedChannel { code: MISSING, .. }) => {
                    wish.stop_consuming(&consume.queue);
                    wish.missing.push(consume.queue);
                    return Ok(Begun::Missing);
                }
                Err(error) => {
                    return Err(Refused::of(
                        &format!("to consume {}", consume.queue),
                        &error,
                    ));
                }
            }
        }
        while !wish.once.is_empty() {
            let once = wish.once.remove(0);
            if let Err(refused) = live.perform_once(target, &once) {
                if !refused.by_broker {
                    wish.once.insert(0, once);
                }
                return Err(refused);
            }
        }
        Ok(Begun::Up(live))
    }

    /// Serves the connection; returns why it is lost, or `None` when the owner wants no more.
    pub(crate) fn run(&mut self, runner: &mut Runner) -> Option<Cause> {
        loop {
            if let Err(cause) = self.publish_all(runner) {
                return Some(cause);
            }
            runner.wish.answer_flushes();
            if runner.wish.is_over() {
                return None;
            }
            let overdue_at = runner.wish.window.overdue_at();
            let overdue_at = overdue_at.filter(|_| !self.blocked);
            let happened = self.wait(&runner.commands, overdue_at, runner.tell_by);
            if let Err(cause) = self.take(runner, happened) {
                return Some(cause);
            }
        }
    }

    /// Tells of queues that were being drained as the connection was lost: no delivery will follow.
    pub(crate) fn tell_drained(&mut self, runner: &mut Runner) {
        for one in &self.consuming {
            if one.consumer.is_none() {
                let queue = one.queue.clone();
                runner.tell(Event::Drained { queue });
            }
        }
    }

    /// The one place that waits while connected.
    fn wait(
        &self,
        commands: &Receiver<Command>,
        overdue_at: Option<Instant>,
        tell_by: Option<Instant>,
    ) -> Happened {
        let mut select = Select::new();
        let command = select.recv(commands);
        let note = select.recv(&self.notes);
        let returned = select.recv(&self.returns);
        let confirmed = select.recv(&self.confirms);
        for one in &self.consuming {
            select.recv(&one.messages);
        }
        let ready = match overdue_at.into_iter().chain(tell_by).min() {
            None => select.select(),
            Some(at) => match select.select_deadline(at) {
                Ok(ready) => ready,
                Err(_) if tell_by == Some(at) => return Happened::Late,
                Err(_) => return Happened::Overdue,
            },
        };
        match ready.index() {
            index if index == command => Happened::Command(ready.recv(commands).ok()),
            index if index == note => Happened::Note(ready.recv(&self.notes)),
            index if index == returned => Happened::Returned(ready.recv(&self.returns)),
            index if index == confirmed => Happened::Confirmed(ready.recv(&self.confirms)),
            index => {
                let nth = index - confirmed - 1;
                Happened::Consumed(nth, ready.recv(&self.consuming[nth].messages))
            }
        }
    }

    fn take(&mut self, runner: &mut Runner, happened: Happened) -> Result<(), Cause> {
        match happened {
            Happened::Command(Some(command)) => self.obey(runner, command),
            Happened::Command(None) => {
                runner.wish.abandoned = true;
                Ok(())
            }
            Happened::Note(Ok(Note::Blocked(reason))) => {
                if !self.blocked {
                    warn!(target: "gorgon::broker", reason = reason.as_str(); "the broker takes no messages for now");
                }
                self.blocked = true;
                runner.tell(Event::Blocked { reason });
                Ok(())
            }
            Happened::Note(Ok(Note::Unblocked)) => {
                self.blocked = false;
                runner.wish.window.restart_clocks(Instant::now());
                runner.tell(Event::Unblocked);
                Ok(())
            }
            Happened::Returned(Ok(returned)) => {
                self.take_return(runner, &returned);
                Ok(())
            }
            Happened::Confirmed(Ok(confirm)) => self.take_confirm(runner, confirm),
            Happened::Consumed(nth, Ok(message)) => self.take_message(runner, nth, message),
            // With one connection it may have been closed for what we published.
            Happened::Consumed(_, Err(RecvError))
                if std::ptr::eq(self.control, self.publishing) =>
            {
                Err(self.last_words_of_publishing(runner))
            }
            Happened::Consumed(_, Err(RecvError)) => Err(self.last_words(runner, self.control)),
            Happened::Note(Err(RecvError))
            | Happened::Returned(Err(RecvError))
            | Happened::Confirmed(Err(RecvError)) => Err(self.last_words_of_publishing(runner)),
            Happened::Late => {
                runner.tell_unhurried();
                Ok(())
            }
            Happened::Overdue => {
                // Whatever is wrong, this connection will not answer a farewell either.
                runner.fuse.blow();
                Err(Cause::ours("the broker confirms nothing any more"))
            }
        }
    }

    fn obey(&mut self, runner: &mut Runner, command: Command) -> Result<(), Cause> {
        let fuse = runner.fuse.clone();
        let _guard = fuse.guard(CALL_LIMIT);
        match command {
            Command::Ack(token) => self.ack(token),
            Command::Consume(consume) => self.begin_to_consume(runner, consume),
            Command::StopConsuming(queue) => self.stop_consuming(runner, queue),
            Command::Declare(wishes) => {
                for wish in wishes {
                    if let Err(refused) = topology::declare(self.control, self.version, &wish) {
                        // One that the broker refuses is not tried again at the next connection.
                        if !refused.by_broker {
                            runner.wish.declare(wish);
                        }
                        error!(target: "gorgon::broker", what = refused.what.as_str(), said = refused.said.as_str(); "not declared");
                        return Err(Cause::refused(&refused));
                    }
                    runner.wish.declare(wish);
                }
                Ok(())
            }
            Command::DeclareOnce(wish) => self.once(runner, Once::Declare(wish)),
            Command::Purge(queue) => self.once(runner, Once::Purge(queue)),
            Command::DeleteQueue(queue) => {
                runner.wish.forget_queue(&queue);
                self.once(runner, Once::DeleteQueue(queue))
            }
            Command::DeleteForeignQueue(queue) => {
                self.once(runner, Once::DeleteForeignQueue(queue))
            }
            Command::Publish(_)
            | Command::PublishTogether(_)
            | Command::Flush(_)
            | Command::Close
            | Command::Abandon => {
                for event in runner.wish.absorb(command) {
                    runner.tell(event);
                }
                Ok(())
            }
        }
    }

    /// Does something once; at the next connection when this one is lost, never again when the
    /// broker refuses it.
    fn once(&mut self, runner: &mut Runner, once: Once) -> Result<(), Cause> {
        self.perform_once(&runner.target, &once).map_err(|refused| {
            if refused.by_broker {
                error!(target: "gorgon::broker", what = refused.what.as_str(), said = refused.said.as_str(); "refused");
            } else {
                runner.wish.once.push(once);
            }
            Cause::refused(&refused)
        })
    }

    fn perform_once(&self, target: &Target, once: &Once) -> Result<(), Refused> {
        let done = match once {
            Once::Declare(wish) => return topology::declare(self.control, self.version, wish),
            // To purge a missing queue would cost us the channel, so another one is asked; only
            // what is locked by us must be purged by us.
            Once::Purge(queue) => match look::purge(target, queue, LOOK_LIMIT) {
                Ok(Purged::Done) => Ok(()),
                Ok(Purged::Locked) => self.control.queue_purge(queue).map(|_| ()),
                Err(error) => return Err(Refused::lost(once.what(), error.to_string())),
            },
            // We may lack the right, which would cost us the channel too.
            Once::DeleteForeignQueue(queue) => {
                let done = look::delete(target, queue, LOOK_LIMIT);
                return done.map_err(|error| Refused::lost(once.what(), error.to_string()));
            }
            Once::DeleteQueue(queue) => {
                let options = QueueDeleteOptions::default();
                self.control.queue_delete(queue, options).map(|_| ())
            }
        };
        done.map_err(|error| Refused::of(&once.what(), &error))
    }
}
