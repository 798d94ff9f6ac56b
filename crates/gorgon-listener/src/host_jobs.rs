//! The jobs of one host, pure: one is served, the others wait for their turn.
//!
//! ```text
//!   offered ─▶ waiting ─▶ Preparing ─▶ Managing ─▶ Cleaning ─▶ (the next)
//!                             │  failed, cancelled    ▲  │ manager died: twice more
//!                             └───────────────────────┘◀─┘
//! ```

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use gorgon_process::child::End;
use gorgon_process::exit;
use gorgon_process::signals::Signal;
use gorgon_proto::job::JobId;
use gorgon_proto::local::MANAGER_GONE;
use gorgon_proto::message::{Answer, HostError, LeaveReason};

/// A manager that died is started again so often.
pub const MANAGER_RESTARTS: u32 = 2;
/// How long a manager may take to hand back what runs and to end.
pub const STOP_LIMIT: Duration = Duration::from_secs(30);
/// How long it may take when nobody is left above us.
pub const PARENT_GONE_LIMIT: Duration = Duration::from_secs(3);
/// Offers that wait at once; a further one is refused.
pub const MOST_WAITING: usize = 1_000;

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A job that may run here is offered.
    Offered(JobId),
    /// Its originator cancelled it.
    Cancelled(JobId),
    /// The workspace is ready, or will not be.
    Prepared(JobId, Result<(), Unprepared>),
    /// The manager could not be started.
    ManagerNotStarted(HostError),
    /// The manager ended; these were its last words.
    ManagerEnded(End, String),
    /// The workspace is removed.
    Cleaned(JobId),
    /// TERM or INT: no further job.
    Stopped,
    /// The originator that started us is gone.
    ParentGone,
    /// The instant of [`HostJobs::deadline`] has come.
    DeadlinePassed,
}

/// Why there is no workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unprepared {
    /// Something failed.
    Failed(LeaveReason, HostError),
    /// The job is over: its queues are gone.
    JobIsOver,
    /// Told to give up.
    Aborted,
}

/// What to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Answer the offer.
    Answer(JobId, Answer, String),
    /// Make the workspace.
    Prepare(JobId),
    /// Give up making it.
    AbortPreparation,
    /// Start the manager.
    StartManager(JobId),
    /// Signal the manager alone.
    SignalManager(Signal),
    /// Close the pipe that tells the manager that we live.
    LetManagerGo,
    /// Kill the manager's group.
    KillManager,
    /// End what a dead manager left behind.
    EndLeftovers,
    /// Tell the originator that the host is done.
    ReportLeft(JobId, LeaveReason, Option<HostError>),
    /// Remove the workspace.
    Clean(JobId),
    /// Forget the job: nobody speaks of it any more.
    Forget(JobId),
    /// End with this status.
    Exit(u8),
}

/// Where the current job is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Preparing { ending: Option<LeaveReason> },
    Managing { deaths: u32, ending: Option<Ending> },
    Cleaning,
}

/// The manager was told to end.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ending {
    reason: LeaveReason,
    kill_at: Option<Instant>,
}

/// The jobs of one host.
#[derive(Debug)]
pub struct HostJobs {
    /// Serve one job, then exit.
    once: bool,
    current: Option<(JobId, Stage)>,
    waiting: VecDeque<JobId>,
    stopping: bool,
}

impl HostJobs {
    /// Makes a host without jobs.
    #[must_use]
    pub fn new(once: bool) -> Self {
        Self {
            once,
            current: None,
            waiting: VecDeque::new(),
            stopping: false,
        }
    }

    /// Returns the jobs that are served or wait, the served one first.
    #[must_use]
    pub fn jobs(&self) -> Vec<JobId> {
        self.current
            .iter()
            .map(|(job, _)| job.clone())
            .chain(self.waiting.iter().cloned())
            .collect()
    }

    /// Returns whether a job is being served.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.current.is_some()
    }

    /// Returns when `DeadlinePassed` is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match &self.current {
            Some((_, Stage::Managing { ending, .. })) => ending.as_ref().and_then(|e| e.kill_at),
            Some((_, Stage::Preparing { .. } | Stage::Cleaning)) | None => None,
        }
    }

    /// Takes one event at `now` and tells what to do about it.
    pub fn step(&mut self, now: Instant, event: Event) -> Vec<Effect> {
        let mut out = Vec::new();
        match event {
            Event::Offered(job) => self.offered(job, &mut out),
            Event::Cancelled(job) => self.cancelled(now, &job, &mut out),
            Event::Prepared(job, result) => self.prepared(now, &job, result, &mut out),
            Event::ManagerNotStarted(error) => {
                self.manager_is_over(Some((LeaveReason::WorkersFailed, Some(error))), &mut out);
            }
            Event::ManagerEnded(end, said) => self.manager_ended(end, said, &mut out),
            Event::Cleaned(job) => self.cleaned(&job, &mut out),
            Event::Stopped => self.stopped(now, &mut out),
            Event::ParentGone => self.parent_gone(now, &mut out),
            Event::DeadlinePassed => self.deadline_passed(now, &mut out),
        }
        out
    }

    fn offered(&mut self, job: JobId, out: &mut Vec<Effect>) {
        if self.jobs().contains(&job) {
            return; // Offered by the fanout and again in answer to our announcement.
        }
        if self.stopping {
            let why = "the listener is being stopped".to_owned();
            out.push(Effect::Answer(job.clone(), Answer::Refused, why));
            out.push(Effect::Forget(job));
        } else if let Some((current, _)) = &self.current {
            if self.waiting.len() >= MOST_WAITING {
                let why = format!("{MOST_WAITING} jobs wait here already");
                out.push(Effect::Answer(job.clone(), Answer::Refused, why));
                out.push(Effect::Forget(job));
                return;
            }
            let why = format!("serves job {current}, and {} before", self.waiting.len());
            out.push(Effect::Answer(job.clone(), Answer::Busy, why));
            self.waiting.push_back(job);
        } else {
            self.begin(job, out);
        }
    }

    fn begin(&mut self, job: JobId, out: &mut Vec<Effect>) {
        out.push(Effect::Answer(job.clone(), Answer::Accepted, String::new()));
        out.push(Effect::Prepare(job.clone()));
        self.current = Some((job, Stage::Preparing { ending: None }));
    }

    fn cancelled(&mut self, now: Instant, job: &JobId, out: &mut Vec<Effect>) {
        if let Some(at) = self.waiting.iter().position(|waiting| waiting == job) {
            self.waiting.remove(at);
            out.push(Effect::ReportLeft(
                job.clone(),
                LeaveReason::Cancelled,
                None,
            ));
            out.push(Effect::Forget(job.clone()));
            return;
        }
        if self
            .current
            .as_ref()
            .is_some_and(|(current, _)| current == job)
        {
            self.end_current(now, LeaveReason::Cancelled, out);
        }
    }

    /// The current job is to end before its time.
    fn end_current(&mut self, now: Instant, reason: LeaveReason, out: &mut Vec<Effect>) {
        match &mut self.current {
            Some((_, Stage::Preparing { ending })) => {
                if ending.is_none() {
                    out.push(Effect::AbortPreparation);
                }
                *ending = Some(reason);
            }
            Some((_, Stage::Managing { ending, .. })) => match (&ending, reason) {
                // The manager hears of the cancel itself; INT is for one that does not yet.
                (None, LeaveReason::Cancelled) => {
                    out.push(Effect::SignalManager(Signal::Int));
                    *ending = Some(Ending {
                        reason,
                        kill_at: Some(now + STOP_LIMIT),
                    });
                }
                (None | Some(_), LeaveReason::Stopped) => {
                    out.push(Effect::SignalManager(Signal::Term));
                    *ending = Some(Ending {
                        reason,
                        kill_at: Some(now + STOP_LIMIT),
                    });
                }
                _ => {}
            },
            Some((_, Stage::Cleaning)) | None => {}
        }
    }

    fn prepared(
        &mut self,
        now: Instant,
        job: &JobId,
        result: Result<(), Unprepared>,
        out: &mut Vec<Effect>,
    ) {
        let Some((current, Stage::Preparing { ending })) = &self.current else {
            return;
        };
        if current != job {
            return;
        }
        let (job, ending) = (job.clone(), *ending);
        match (result, ending) {
            (Ok(()), None) => {
                out.push(Effect::StartManager(job.clone()));
                self.current = Some((
                    job,
                    Stage::Managing {
                        deaths: 0,
                        ending: None,
                    },
                ));
                let _ = now;
            }
            (Err(Unprepared::Failed(reason, error)), None) => {
                self.clean(job, Some((reason, Some(error))), out);
            }
            (Err(Unprepared::JobIsOver), None) => self.clean(job, None, out),
            (Err(Unprepared::Aborted), None) => {
                self.clean(job, Some((LeaveReason::Stopped, None)), out);
            }
            (_, Some(reason)) => self.clean(job, Some((reason, None)), out),
        }
    }

    fn manager_ended(&mut self, end: End, said: String, out: &mut Vec<Effect>) {
        let Some((job, Stage::Managing { deaths, ending })) = &mut self.current else {
            return;
        };
        out.push(Effect::EndLeftovers);
        let code = match end {
            End::Exited(code) => u8::try_from(code).ok(),
            End::Signaled(_) => None,
        };
        match code {
            // It has told its originator, or there is none to tell.
            Some(exit::OK | MANAGER_GONE) => self.manager_is_over(None, out),
            _ if ending.is_some() => {
                let reason = ending.as_ref().map_or(LeaveReason::Stopped, |e| e.reason);
                self.manager_is_over(Some((reason, None)), out);
            }
            Some(exit::ERROR) => {
                let error = HostError {
                    what: "starting the worker manager".to_owned(),
                    message: format!("it ended with {end}"),
                    command: "gorgon-worker-manager".to_owned(),
                    output: said,
                };
                self.manager_is_over(Some((LeaveReason::WorkersFailed, Some(error))), out);
            }
            _ if *deaths < MANAGER_RESTARTS => {
                *deaths += 1;
                out.push(Effect::StartManager(job.clone()));
            }
            _ => {
                let error = HostError {
                    what: "managing the workers".to_owned(),
                    message: format!(
                        "the worker manager died {} times, the last time by {end}",
                        MANAGER_RESTARTS + 1
                    ),
                    command: "gorgon-worker-manager".to_owned(),
                    output: said,
                };
                self.manager_is_over(Some((LeaveReason::WorkersFailed, Some(error))), out);
            }
        }
    }

    fn manager_is_over(
        &mut self,
        left: Option<(LeaveReason, Option<HostError>)>,
        out: &mut Vec<Effect>,
    ) {
        if let Some((job, Stage::Managing { .. })) = &self.current {
            self.clean(job.clone(), left, out);
        }
    }

    fn clean(
        &mut self,
        job: JobId,
        left: Option<(LeaveReason, Option<HostError>)>,
        out: &mut Vec<Effect>,
    ) {
        if let Some((reason, error)) = left {
            out.push(Effect::ReportLeft(job.clone(), reason, error));
        }
        out.push(Effect::Clean(job.clone()));
        self.current = Some((job, Stage::Cleaning));
    }

    fn cleaned(&mut self, job: &JobId, out: &mut Vec<Effect>) {
        if !matches!(&self.current, Some((current, Stage::Cleaning)) if current == job) {
            return;
        }
        self.current = None;
        out.push(Effect::Forget(job.clone()));
        if self.once || self.stopping {
            out.push(Effect::Exit(exit::OK));
        } else if let Some(next) = self.waiting.pop_front() {
            self.begin(next, out);
        }
    }

    fn stopped(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self.stopping {
            // A second signal: no more waiting.
            if matches!(self.current, Some((_, Stage::Managing { .. }))) {
                out.push(Effect::KillManager);
            }
            return;
        }
        self.stopping = true;
        for job in std::mem::take(&mut self.waiting) {
            out.push(Effect::ReportLeft(job.clone(), LeaveReason::Stopped, None));
            out.push(Effect::Forget(job));
        }
        if self.current.is_none() {
            out.push(Effect::Exit(exit::OK));
        } else {
            self.end_current(now, LeaveReason::Stopped, out);
        }
    }

    fn parent_gone(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.stopping = true;
        match &mut self.current {
            None => out.push(Effect::Exit(exit::OK)),
            Some((_, Stage::Preparing { ending })) => {
                *ending = Some(LeaveReason::Orphaned);
                out.push(Effect::AbortPreparation);
            }
            Some((_, Stage::Managing { ending, .. })) => {
                *ending = Some(Ending {
                    reason: LeaveReason::Orphaned,
                    kill_at: Some(now + PARENT_GONE_LIMIT),
                });
                out.push(Effect::LetManagerGo);
            }
            Some((_, Stage::Cleaning)) => {}
        }
    }

    fn deadline_passed(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if let Some((
            _,
            Stage::Managing {
                ending: Some(ending),
                ..
            },
        )) = &mut self.current
            && ending.kill_at.is_some_and(|at| at <= now)
        {
            ending.kill_at = None;
            out.push(Effect::KillManager);
        }
    }
}

#[cfg(test)]
mod tests;
