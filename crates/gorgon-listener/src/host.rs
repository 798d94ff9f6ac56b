//! Which jobs a host serves, pure: as many at once as it has slots, until it is told to stop.

use std::collections::VecDeque;
use std::time::Instant;

use gorgon_proto::job::JobId;
use gorgon_proto::local::ManagerLine;
use gorgon_proto::message::{Answer, LeaveReason};

use crate::host_job::{self, Ending, HostJob};
use crate::slots::{Move, Slots};

/// Most jobs that wait for their turn; more are refused.
pub const MOST_WAITING: usize = 100;
/// So many jobs are served at once also where there are fewer slots: they take turns.
pub const LEAST_AT_ONCE: usize = 2;

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A job is offered, and nothing speaks against it.
    Offered {
        /// The job.
        job: JobId,
        /// It can use so many slots at most.
        most: u32,
    },
    /// A job is cancelled.
    Cancelled(JobId),
    /// A job's reply queue is gone: its originator has ended.
    Abandoned(JobId),
    /// This listener is to end (TERM, INT).
    Stopped,
    /// The pipe of the originator that started us is closed.
    InputEnded,
    /// Something happened to a job that is served.
    Job(JobId, host_job::Event),
    /// The manager of a job says something.
    Said(JobId, ManagerLine),
    /// The instant of [`Host::deadline`] has come.
    DeadlinePassed,
}

/// What to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Answer the offer of a job.
    Answer(JobId, Answer, String),
    /// Something to do for a job that is served. A manager is started with [`Host::slots_of`] it.
    Job(JobId, host_job::Effect),
    /// Tell the manager of a job that it may use this slot.
    Grant(JobId, u32),
    /// Tell it to give this slot back at the end of the item that runs there.
    Recall(JobId, u32),
    /// A job that waited is no longer wanted: forget it, and tell its originator.
    Drop(JobId, Option<LeaveReason>),
    /// End this listener.
    Exit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// Takes jobs.
    Serving,
    /// Takes no more; ends with the jobs that are served.
    Ending,
    /// Has ended.
    Ended,
}

/// A job that is served.
#[derive(Debug)]
struct Serving {
    id: JobId,
    most: u32,
    job: HostJob,
}

/// A job that waits for its turn.
#[derive(Debug)]
struct Waiting {
    id: JobId,
    most: u32,
}

/// What a host serves, and what waits.
#[derive(Debug)]
pub struct Host {
    life: Life,
    once: bool,
    serving: Vec<Serving>,
    waiting: VecDeque<Waiting>,
    slots: Slots,
}

impl Host {
    /// A host without jobs, with this number of slots. With `once` it ends after its first job.
    #[must_use]
    pub fn new(once: bool, slots: u32) -> Self {
        Self {
            life: Life::Serving,
            once,
            serving: Vec::new(),
            waiting: VecDeque::new(),
            slots: Slots::new(slots),
        }
    }

    /// Returns the jobs that are served or wait.
    #[must_use]
    pub fn jobs(&self) -> Vec<JobId> {
        let serving = self.serving.iter().map(|serving| &serving.id);
        let waiting = self.waiting.iter().map(|waiting| &waiting.id);
        serving.chain(waiting).cloned().collect()
    }

    /// Returns whether the job is served, or ends here.
    #[must_use]
    pub fn serves(&self, job: &JobId) -> bool {
        self.serving.iter().any(|serving| serving.id == *job)
    }

    /// Returns whether this host never has more than one job at once.
    #[must_use]
    pub fn serves_one(&self) -> bool {
        self.once
    }

    /// Returns the slots that the job has, those left out that it is to give back.
    #[must_use]
    pub fn slots_of(&self, job: &JobId) -> Vec<u32> {
        self.slots.of(job)
    }

    /// Returns how many slots no job has.
    #[must_use]
    pub fn free(&self) -> u32 {
        u32::try_from(self.slots.free().count()).unwrap_or(u32::MAX)
    }

    /// Returns when `DeadlinePassed` is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let jobs = self.serving.iter();
        jobs.filter_map(|serving| serving.job.deadline())
            .chain(self.slots.deadline())
            .min()
    }

    /// Takes one event at `now` and tells what to do about it.
    pub fn step(&mut self, now: Instant, event: Event) -> Vec<Effect> {
        if self.life == Life::Ended {
            return Vec::new();
        }
        let mut effects = match event {
            Event::Offered { job, most } => self.offered(job, most),
            Event::Cancelled(job) => {
                self.end_job(now, &job, Ending::Cancelled, Some(LeaveReason::Cancelled))
            }
            Event::Abandoned(job) => self.end_job(now, &job, Ending::Abandoned, None),
            Event::Stopped => self.end_all(now, Ending::Stopped),
            Event::InputEnded => self.end_all(now, Ending::Abandoned),
            Event::Job(job, event) => self.job_step(now, &job, event),
            Event::Said(job, line) => {
                self.slots.heard(now, &job, &line);
                Vec::new()
            }
            Event::DeadlinePassed => self.deadline_passed(now),
        };
        self.share(now, &mut effects);
        effects
    }

    /// Shares the slots anew. A manager that is started in this step has its own from the start.
    fn share(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let starts = |effects: &[Effect], of: &JobId| {
            effects.iter().any(|effect| {
                matches!(effect, Effect::Job(job, host_job::Effect::StartManager) if job == of)
            })
        };
        for change in self.slots.balance(now) {
            match change {
                Move::Grant(job, _) if starts(effects, &job) => {}
                Move::Grant(job, slot) => effects.push(Effect::Grant(job, slot)),
                Move::Recall(job, slot) => effects.push(Effect::Recall(job, slot)),
            }
        }
    }

    fn most_at_once(&self) -> usize {
        let slots = usize::try_from(self.slots.total()).unwrap_or(usize::MAX);
        slots.max(LEAST_AT_ONCE)
    }

    fn offered(&mut self, job: JobId, most: u32) -> Vec<Effect> {
        let again = self.serving.iter().find(|serving| serving.id == job);
        let ends = again.is_some_and(|it| it.job.is_ending() || self.slots.is_closing(&job));
        if again.is_some() && !ends {
            // It was offered twice: the announcement and the offer have crossed.
            return Vec::new();
        }
        if self.life == Life::Ending {
            // As if we were gone already: who is refused by everybody gives up, and does not wait
            // for the listener that follows us.
            return vec![Effect::Drop(job, None)];
        }
        if self.waiting.iter().any(|waiting| waiting.id == job) {
            return vec![self.busy(job)];
        }
        if self.once && !self.serving.is_empty() {
            let reason = "the listener serves one job alone (--once)".into();
            return vec![Effect::Answer(job, Answer::Refused, reason)];
        }
        if !ends && self.serving.len() < self.most_at_once() {
            return self.begin(job, most);
        }
        if self.waiting.len() >= MOST_WAITING {
            let reason = format!("{MOST_WAITING} jobs wait already");
            return vec![Effect::Answer(job, Answer::Refused, reason)];
        }
        self.waiting.push_back(Waiting {
            id: job.clone(),
            most,
        });
        vec![self.busy(job)]
    }

    fn busy(&self, job: JobId) -> Effect {
        let mut runs: Vec<String> = self
            .serving
            .iter()
            .map(|serving| serving.id.to_string())
            .collect();
        let before = self.waiting.iter().take_while(|waiting| waiting.id != job);
        let more = before.count();
        if more > 0 {
            runs.push(format!("then {more} more"));
        }
        let jobs = if self.serving.len() == 1 {
            "job"
        } else {
            "jobs"
        };
        let reason = format!("runs {jobs} {}", runs.join(", "));
        Effect::Answer(job, Answer::Busy, reason)
    }

    fn begin(&mut self, id: JobId, most: u32) -> Vec<Effect> {
        let (job, effects) = HostJob::begin();
        let mut begun = vec![Effect::Answer(id.clone(), Answer::Accepted, String::new())];
        begun.extend(effects.into_iter().map(|it| Effect::Job(id.clone(), it)));
        self.serving.push(Serving { id, most, job });
        begun
    }

    fn end_job(
        &mut self,
        now: Instant,
        job: &JobId,
        ending: Ending,
        told: Option<LeaveReason>,
    ) -> Vec<Effect> {
        let waits = self.waiting.iter().position(|waiting| waiting.id == *job);
        if let Some(at) = waits {
            self.waiting.remove(at);
        }
        if self.serves(job) {
            return self.job_step(now, job, host_job::Event::End(ending));
        }
        match waits {
            Some(_) => vec![Effect::Drop(job.clone(), told)],
            None => Vec::new(),
        }
    }

    fn end_all(&mut self, now: Instant, ending: Ending) -> Vec<Effect> {
        self.life = Life::Ending;
        let told = (ending == Ending::Stopped).then_some(LeaveReason::Stopped);
        let mut effects: Vec<Effect> = self
            .waiting
            .drain(..)
            .map(|waiting| Effect::Drop(waiting.id, told))
            .collect();
        if self.serving.is_empty() {
            effects.push(self.exit());
        }
        let serving: Vec<JobId> = self.serving.iter().map(|it| it.id.clone()).collect();
        for job in serving {
            effects.extend(self.job_step(now, &job, host_job::Event::End(ending)));
        }
        effects
    }

    fn deadline_passed(&mut self, now: Instant) -> Vec<Effect> {
        let due = self.serving.iter();
        let due = due.filter(|serving| serving.job.deadline().is_some_and(|at| at <= now));
        let due: Vec<JobId> = due.map(|serving| serving.id.clone()).collect();
        let passed = |job| self.job_step(now, job, host_job::Event::DeadlinePassed);
        due.iter().flat_map(passed).collect()
    }

    fn job_step(&mut self, now: Instant, job: &JobId, event: host_job::Event) -> Vec<Effect> {
        let Some(at) = self.serving.iter().position(|it| it.id == *job) else {
            return Vec::new();
        };
        if matches!(
            event,
            host_job::Event::ManagerEnded(..) | host_job::Event::ManagerNotStarted(_)
        ) {
            self.slots.leave(job);
        }
        let serving = &mut self.serving[at];
        let effects = serving.job.step(now, event);
        if effects.contains(&host_job::Effect::StartManager) {
            self.slots.enter(job.clone(), serving.most);
            // It was offered while the manager that died was closing: the one that follows it serves it.
            self.waiting.retain(|waiting| waiting.id != *job);
        }
        let done = serving.job.is_done();
        let of_job = |effect| Effect::Job(job.clone(), effect);
        let mut effects: Vec<Effect> = effects.into_iter().map(of_job).collect();
        if done {
            self.serving.remove(at);
            if self.once || self.life == Life::Ending {
                let dropped = self.waiting.drain(..);
                let told = Some(LeaveReason::Stopped);
                effects.extend(dropped.map(|waiting| Effect::Drop(waiting.id, told)));
                if self.serving.is_empty() {
                    effects.push(self.exit());
                }
            }
            effects.extend(self.begin_waiting());
        }
        effects
    }

    /// Begins jobs that wait, as long as there is room; not one that still ends here.
    fn begin_waiting(&mut self) -> Vec<Effect> {
        let mut begun = Vec::new();
        while self.serving.len() < self.most_at_once() {
            let next = self.waiting.iter().position(|it| !self.serves(&it.id));
            let Some(next) = next.and_then(|at| self.waiting.remove(at)) else {
                break;
            };
            begun.extend(self.begin(next.id, next.most));
        }
        begun
    }

    fn exit(&mut self) -> Effect {
        self.life = Life::Ended;
        Effect::Exit
    }
}

#[cfg(test)]
mod tests;
