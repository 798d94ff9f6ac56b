//! One job on one host, pure: its workspace, its manager, its end.
//!
//! ```text
//!   Preparing ── workspace is there ──▶ Managing ── the manager left ──▶ Cleaning ──▶ Done
//!       │                                │    ▲
//!       │ no source, callback raised,    │    └─ the manager died (twice at most)
//!       └ cancelled, stopped ────────────┴──────────────────────────────▶ Cleaning
//! ```
//!
//! Whatever happens, the job goes through Cleaning once, and each wait but that for a preparation
//! (which is bounded by its own limits) has a deadline here.

use std::time::{Duration, Instant};

use gorgon_process::child::End;
use gorgon_process::exit;
use gorgon_process::signals::Signal;
use gorgon_proto::local::{MANAGER_GONE, MANAGER_UNHEARD};
use gorgon_proto::message::{HostError, LeaveReason};

/// How often a manager that died is started again.
pub const MOST_RESTARTS: u32 = 2;
/// A manager hears of a cancel by itself; when it is still there after this, it is signalled.
pub const CANCEL_NUDGE: Duration = Duration::from_secs(2);
/// How long a manager may take to end its cancelled job: its own limits together, and some.
pub const CANCEL_LIMIT: Duration = Duration::from_secs(30);
/// How long a manager may take to hand back what runs.
pub const HAND_BACK_LIMIT: Duration = Duration::from_secs(40);
/// How long a manager may take when nobody is left above us.
pub const ABANDONED_LIMIT: Duration = Duration::from_secs(3);
/// How long the removal of a workspace is waited for.
pub const CLEAN_LIMIT: Duration = Duration::from_secs(60);

/// Why the job ends here before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The user cancelled it.
    Cancelled,
    /// This listener is being stopped.
    Stopped,
    /// Nobody is left to whom it matters: the originator's pipe or its queues are gone.
    Abandoned,
}

impl Ending {
    fn reason(self) -> LeaveReason {
        match self {
            Self::Cancelled => LeaveReason::Cancelled,
            Self::Stopped => LeaveReason::Stopped,
            Self::Abandoned => LeaveReason::Orphaned,
        }
    }
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The workspace is there, and after_sync has run in it.
    Prepared,
    /// It could not be made.
    PreparationFailed(LeaveReason, HostError),
    /// The job is to end.
    End(Ending),
    /// The manager could not be started.
    ManagerNotStarted(HostError),
    /// The manager ended, and so did all that it left behind; with what it wrote to stderr.
    ManagerEnded(End, String),
    /// The workspace is gone.
    Cleaned,
    /// The instant of [`HostJob::deadline`] has come.
    DeadlinePassed,
}

/// What to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Pull the source, make the workspace, run after_sync.
    Prepare,
    /// Break that off; its end is still an event.
    EndPreparation,
    /// Start the manager.
    StartManager,
    /// Signal the manager, or with KILL its whole group.
    SignalManager(Signal),
    /// Close the manager's stdin, by which it knows that nobody is left above it.
    CloseManagerInput,
    /// Delete the queue of the manager that has ended: it died before it could do so itself.
    DeleteManagerQueue,
    /// Tell the originator that this host leaves.
    Leave(LeaveReason, Option<HostError>),
    /// Remove the workspace.
    Clean,
    /// The job is over here.
    Finish,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Preparing,
    Managing,
    Cleaning { until: Instant },
    Done,
}

/// One job on one host.
#[derive(Debug)]
pub struct HostJob {
    state: State,
    ending: Option<Ending>,
    deaths: u32,
    nudge_at: Option<Instant>,
    kill_at: Option<Instant>,
}

impl HostJob {
    /// Begins, and tells what to do first.
    #[must_use]
    pub fn begin() -> (Self, Vec<Effect>) {
        let job = Self {
            state: State::Preparing,
            ending: None,
            deaths: 0,
            nudge_at: None,
            kill_at: None,
        };
        (job, vec![Effect::Prepare])
    }

    /// Returns whether the job is over here.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Returns whether the job comes to its end here, whatever happens.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        match self.state {
            State::Preparing | State::Managing => self.ending.is_some(),
            State::Cleaning { .. } | State::Done => true,
        }
    }

    /// Returns when `DeadlinePassed` is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Preparing | State::Done => None,
            State::Managing => self.nudge_at.into_iter().chain(self.kill_at).min(),
            State::Cleaning { until } => Some(until),
        }
    }

    /// Takes one event at `now` and tells what to do about it.
    pub fn step(&mut self, now: Instant, event: Event) -> Vec<Effect> {
        match self.state {
            State::Preparing => self.preparing(now, event),
            State::Managing => self.managing(now, event),
            State::Cleaning { until } => match event {
                Event::Cleaned => self.finish(),
                Event::DeadlinePassed if until <= now => self.finish(),
                Event::Prepared
                | Event::PreparationFailed(..)
                | Event::End(_)
                | Event::ManagerNotStarted(_)
                | Event::ManagerEnded(..)
                | Event::DeadlinePassed => Vec::new(),
            },
            State::Done => Vec::new(),
        }
    }

    fn preparing(&mut self, now: Instant, event: Event) -> Vec<Effect> {
        match (event, self.ending) {
            (Event::Prepared, None) => {
                self.state = State::Managing;
                vec![Effect::StartManager]
            }
            (Event::Prepared | Event::PreparationFailed(..), Some(ending)) => {
                self.clean(now, Some((ending.reason(), None)))
            }
            (Event::PreparationFailed(reason, error), None) => {
                self.clean(now, Some((reason, Some(error))))
            }
            (Event::End(ending), before) => {
                self.ending = Some(ending);
                if before.is_none() {
                    vec![Effect::EndPreparation]
                } else {
                    Vec::new()
                }
            }
            (
                Event::ManagerNotStarted(_)
                | Event::ManagerEnded(..)
                | Event::Cleaned
                | Event::DeadlinePassed,
                _,
            ) => Vec::new(),
        }
    }

    fn managing(&mut self, now: Instant, event: Event) -> Vec<Effect> {
        match event {
            Event::ManagerNotStarted(error) => {
                self.clean(now, Some((LeaveReason::WorkersFailed, Some(error))))
            }
            Event::ManagerEnded(end, words) => self.manager_ended(now, end, words),
            Event::End(ending) => self.end_managing(now, ending),
            Event::DeadlinePassed => {
                if self.nudge_at.is_some_and(|at| at <= now) {
                    self.nudge_at = None;
                    return vec![Effect::SignalManager(Signal::Int)];
                }
                if self.kill_at.is_some_and(|at| at <= now) {
                    self.kill_at = None;
                    return vec![Effect::SignalManager(Signal::Kill)];
                }
                Vec::new()
            }
            Event::Prepared | Event::PreparationFailed(..) | Event::Cleaned => Vec::new(),
        }
    }

    fn end_managing(&mut self, now: Instant, ending: Ending) -> Vec<Effect> {
        let again = self.ending == Some(ending);
        let (limit, effects) = match ending {
            Ending::Cancelled if again => return Vec::new(),
            Ending::Cancelled => {
                self.nudge_at = Some(now + CANCEL_NUDGE);
                (CANCEL_LIMIT, Vec::new())
            }
            // Whoever stops us twice does not want to wait.
            Ending::Stopped if again => (Duration::ZERO, Vec::new()),
            Ending::Stopped => (HAND_BACK_LIMIT, vec![Effect::SignalManager(Signal::Term)]),
            Ending::Abandoned => (ABANDONED_LIMIT, vec![Effect::CloseManagerInput]),
        };
        self.ending = Some(ending);
        let kill_at = now + limit;
        self.kill_at = Some(self.kill_at.map_or(kill_at, |before| before.min(kill_at)));
        effects
    }

    fn manager_ended(&mut self, now: Instant, end: End, words: String) -> Vec<Effect> {
        self.nudge_at = None;
        self.kill_at = None;
        match end {
            // It has said why it left.
            End::Exited(code) if code == i32::from(exit::OK) => return self.clean(now, None),
            // There is nobody to say it to, and it had no time to see its queue deleted.
            End::Exited(code) if code == i32::from(MANAGER_GONE) => {
                let mut effects = vec![Effect::DeleteManagerQueue];
                effects.extend(self.clean(now, None));
                return effects;
            }
            End::Exited(_) | End::Signaled(_) => {}
        }
        let mut effects = vec![Effect::DeleteManagerQueue];
        effects.extend(if end == End::Exited(i32::from(MANAGER_UNHEARD)) {
            let reason = self.ending.map_or(LeaveReason::Lost, Ending::reason);
            self.clean(now, Some((reason, None)))
        } else {
            self.manager_died(now, end, words)
        });
        effects
    }

    fn manager_died(&mut self, now: Instant, end: End, words: String) -> Vec<Effect> {
        if let Some(ending) = self.ending {
            return self.clean(now, Some((ending.reason(), None)));
        }
        let never_began = end == End::Exited(i32::from(exit::ERROR));
        if !never_began && self.deaths < MOST_RESTARTS {
            self.deaths += 1;
            return vec![Effect::StartManager];
        }
        let message = if never_began {
            format!("the worker manager could not begin: {end}")
        } else {
            format!(
                "the worker manager died {} times, the last time with {end}",
                self.deaths + 1
            )
        };
        let error = HostError {
            what: "starting workers".into(),
            message,
            command: String::new(),
            output: words,
        };
        self.clean(now, Some((LeaveReason::WorkersFailed, Some(error))))
    }

    fn clean(
        &mut self,
        now: Instant,
        leave: Option<(LeaveReason, Option<HostError>)>,
    ) -> Vec<Effect> {
        self.state = State::Cleaning {
            until: now + CLEAN_LIMIT,
        };
        let leave = leave.map(|(reason, error)| Effect::Leave(reason, error));
        leave.into_iter().chain([Effect::Clean]).collect()
    }

    fn finish(&mut self) -> Vec<Effect> {
        self.state = State::Done;
        vec![Effect::Finish]
    }
}

#[cfg(test)]
mod tests;
