//! Which job a host serves, pure: one after another, until it is told to stop.

use std::collections::VecDeque;
use std::time::Instant;

use gorgon_proto::job::JobId;
use gorgon_proto::message::{Answer, LeaveReason};

use crate::host_job::{self, Ending, HostJob};

/// Most jobs that wait for their turn; more are refused.
pub const MOST_WAITING: usize = 100;

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A job is offered, and nothing speaks against it.
    Offered(JobId),
    /// A job is cancelled.
    Cancelled(JobId),
    /// A job's reply queue is gone: its originator has ended.
    Abandoned(JobId),
    /// This listener is to end (TERM, INT).
    Stopped,
    /// The pipe of the originator that started us is closed.
    InputEnded,
    /// Something happened to the job that is served.
    Job(host_job::Event),
    /// The instant of [`Host::deadline`] has come.
    DeadlinePassed,
}

/// What to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Answer the offer of a job.
    Answer(JobId, Answer, String),
    /// Something to do for the job that is served.
    Job(JobId, host_job::Effect),
    /// A job that waited is no longer wanted: forget it, and tell its originator.
    Drop(JobId, Option<LeaveReason>),
    /// End this listener.
    Exit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// Takes jobs.
    Serving,
    /// Takes no more; ends with the job that is served.
    Ending,
    /// Has ended.
    Ended,
}

/// What a host serves, and what waits.
#[derive(Debug)]
pub struct Host {
    life: Life,
    once: bool,
    current: Option<(JobId, HostJob)>,
    waiting: VecDeque<JobId>,
}

impl Host {
    /// Begins with nothing to do. With `once` it ends with its first job.
    #[must_use]
    pub fn new(once: bool) -> Self {
        Self {
            life: Life::Serving,
            once,
            current: None,
            waiting: VecDeque::new(),
        }
    }

    /// Returns the jobs that are served or wait.
    #[must_use]
    pub fn jobs(&self) -> Vec<JobId> {
        let current = self.current.iter().map(|(job, _)| job);
        current.chain(&self.waiting).cloned().collect()
    }

    /// Returns whether a job uses the slots.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.current.is_some()
    }

    /// Returns when `DeadlinePassed` is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.current.as_ref().and_then(|(_, job)| job.deadline())
    }

    /// Takes one event at `now` and tells what to do about it.
    pub fn step(&mut self, now: Instant, event: Event) -> Vec<Effect> {
        if self.life == Life::Ended {
            return Vec::new();
        }
        match event {
            Event::Offered(job) => self.offered(job),
            Event::Cancelled(job) => {
                self.end_job(now, &job, Ending::Cancelled, Some(LeaveReason::Cancelled))
            }
            Event::Abandoned(job) => self.end_job(now, &job, Ending::Abandoned, None),
            Event::Stopped => self.end_all(now, Ending::Stopped),
            Event::InputEnded => self.end_all(now, Ending::Abandoned),
            Event::Job(event) => self.job_step(now, event),
            Event::DeadlinePassed => self.job_step(now, host_job::Event::DeadlinePassed),
        }
    }

    fn offered(&mut self, job: JobId) -> Vec<Effect> {
        let again = self.current.as_ref().filter(|(current, _)| *current == job);
        if again.is_some_and(|(_, host_job)| !host_job.is_ending()) {
            // It was offered twice: the announcement and the offer have crossed.
            return Vec::new();
        }
        if self.life == Life::Ending {
            // As if we were gone already: who is refused by everybody gives up, and does not wait
            // for the listener that follows us.
            return vec![Effect::Drop(job, None)];
        }
        if self.waiting.contains(&job) {
            return vec![self.busy(job)];
        }
        if self.current.is_none() {
            return self.begin(job);
        }
        if self.once {
            let reason = "the listener serves one job alone (--once)".into();
            return vec![Effect::Answer(job, Answer::Refused, reason)];
        }
        if self.waiting.len() >= MOST_WAITING {
            let reason = format!("{MOST_WAITING} jobs wait already");
            return vec![Effect::Answer(job, Answer::Refused, reason)];
        }
        self.waiting.push_back(job.clone());
        vec![self.busy(job)]
    }

    fn busy(&self, job: JobId) -> Effect {
        let before = self
            .waiting
            .iter()
            .position(|waiting| *waiting == job)
            .unwrap_or_default();
        let reason = match &self.current {
            Some((current, _)) if before == 0 => format!("runs job {current}"),
            Some((current, _)) => format!("runs job {current}, then {before} more"),
            None => String::new(),
        };
        Effect::Answer(job, Answer::Busy, reason)
    }

    fn begin(&mut self, job: JobId) -> Vec<Effect> {
        let (host_job, effects) = HostJob::begin();
        self.current = Some((job.clone(), host_job));
        let mut begun = vec![Effect::Answer(job.clone(), Answer::Accepted, String::new())];
        begun.extend(
            effects
                .into_iter()
                .map(|effect| Effect::Job(job.clone(), effect)),
        );
        begun
    }

    fn end_job(
        &mut self,
        now: Instant,
        job: &JobId,
        ending: Ending,
        told: Option<LeaveReason>,
    ) -> Vec<Effect> {
        let current = self.current.as_ref();
        if current.is_some_and(|(current, _)| current == job) {
            self.waiting.retain(|waiting| waiting != job);
            return self.job_step(now, host_job::Event::End(ending));
        }
        match self.waiting.iter().position(|waiting| waiting == job) {
            Some(at) => {
                self.waiting.remove(at);
                vec![Effect::Drop(job.clone(), told)]
            }
            None => Vec::new(),
        }
    }

    fn end_all(&mut self, now: Instant, ending: Ending) -> Vec<Effect> {
        self.life = Life::Ending;
        let told = (ending == Ending::Stopped).then_some(LeaveReason::Stopped);
        let mut effects: Vec<Effect> = self
            .waiting
            .drain(..)
            .map(|job| Effect::Drop(job, told))
            .collect();
        if self.current.is_some() {
            effects.extend(self.job_step(now, host_job::Event::End(ending)));
        } else {
            effects.push(self.exit());
        }
        effects
    }

    fn job_step(&mut self, now: Instant, event: host_job::Event) -> Vec<Effect> {
        let Some((job, host_job)) = &mut self.current else {
            return Vec::new();
        };
        let mut effects: Vec<Effect> = host_job
            .step(now, event)
            .into_iter()
            .map(|effect| Effect::Job(job.clone(), effect))
            .collect();
        if host_job.is_done() {
            self.current = None;
            if self.once || self.life == Life::Ending {
                effects.extend(
                    self.waiting
                        .drain(..)
                        .map(|job| Effect::Drop(job, Some(LeaveReason::Stopped))),
                );
                effects.push(self.exit());
            } else if let Some(next) = self.waiting.pop_front() {
                effects.extend(self.begin(next));
            }
        }
        effects
    }

    fn exit(&mut self) -> Effect {
        self.life = Life::Ended;
        Effect::Exit
    }
}

#[cfg(test)]
mod tests;
