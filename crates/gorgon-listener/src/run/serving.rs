//! What the shell holds for each job that it serves, and what of it can wake the loop.

use crossbeam_channel::{Receiver, Select, SelectedOperation};
use gorgon_process::child::End;
use gorgon_process::orphan;
use gorgon_process::signals::Signal;
use gorgon_proto::job::JobId;
use gorgon_proto::local::ManagerLine;
use log::{info, warn};

use super::Shell;
use crate::host;
use crate::host_job;
use crate::manager::Manager;
use crate::prepare::{self, Failure, Preparation, Ready};

/// Names the job in the environment of all Ruby.
const JOB_VARIABLE: &str = "GORGON_JOB_ID";

/// What serves a job. The fields stand in the order in which they end.
#[derive(Default)]
pub(super) struct Serving {
    pub(super) manager: Option<Manager>,
    /// The manager that was started last.
    pub(super) manager_pid: Option<u32>,
    pub(super) preparation: Option<Preparation>,
    pub(super) ready: Option<Ready>,
    /// Disconnects when the workspace is gone.
    pub(super) cleaning: Option<Receiver<()>>,
}

/// What happened to it.
pub(super) enum JobWake {
    ManagerEnded(End),
    ManagerSaid(ManagerLine),
    /// It says nothing more.
    ManagerSilent,
    Prepared(Box<Result<Ready, Failure>>),
    Cleaned,
}

/// What of it can wake the loop.
pub(super) enum Source<'a> {
    ManagerEnd(&'a Receiver<End>),
    ManagerLines(&'a Receiver<ManagerLine>),
    Preparation(&'a Receiver<Result<Ready, Failure>>),
    Cleaning(&'a Receiver<()>),
}

impl Serving {
    /// What it said stands before its end: a slot that it gave back, it gave back while it lived.
    pub(super) fn sources(&self) -> impl Iterator<Item = Source<'_>> {
        let manager = self.manager.as_ref();
        let lines = manager.map(|manager| Source::ManagerLines(manager.lines()));
        let end = manager.map(|manager| Source::ManagerEnd(manager.end()));
        let prepared = self
            .preparation
            .as_ref()
            .map(|it| Source::Preparation(it.result()));
        let cleaned = self.cleaning.as_ref().map(Source::Cleaning);
        [lines, end, prepared, cleaned].into_iter().flatten()
    }
}

impl<'a> Source<'a> {
    pub(super) fn add_to(&self, select: &mut Select<'a>) {
        match self {
            Self::ManagerEnd(end) => select.recv(*end),
            Self::ManagerLines(lines) => select.recv(*lines),
            Self::Preparation(result) => select.recv(*result),
            Self::Cleaning(cleaning) => select.recv(*cleaning),
        };
    }

    pub(super) fn take(&self, ready: SelectedOperation<'a>) -> JobWake {
        match self {
            Self::ManagerEnd(end) => {
                let lost = End::Signaled(Signal::Kill.number());
                JobWake::ManagerEnded(ready.recv(end).unwrap_or(lost))
            }
            Self::ManagerLines(lines) => ready
                .recv(lines)
                .map_or(JobWake::ManagerSilent, JobWake::ManagerSaid),
            Self::Preparation(result) => {
                let lost = |_| Err(prepare::broken("it ended without a result"));
                JobWake::Prepared(Box::new(ready.recv(result).unwrap_or_else(lost)))
            }
            Self::Cleaning(cleaning) => {
                // Its thread drops the sender when it is done.
                let _ = ready.recv(cleaning);
                JobWake::Cleaned
            }
        }
    }
}

impl Shell {
    /// Turns what happened to a job into an event of the core.
    pub(super) fn job_event(&mut self, job: JobId, wake: JobWake) -> Option<host::Event> {
        let serving = self.serving.get_mut(&job)?;
        match wake {
            JobWake::ManagerSaid(line) => Some(host::Event::Said(job, line)),
            JobWake::ManagerSilent => {
                if let Some(manager) = &mut serving.manager {
                    manager.is_silent();
                }
                None
            }
            JobWake::ManagerEnded(end) => {
                let manager = serving.manager.take();
                // First what it left, so that nothing holds its pipe any longer.
                let others: Vec<&str> = self.serving.keys().map(|job| job.0.as_str()).collect();
                let others: Vec<&str> = others.into_iter().filter(|it| *it != job.0).collect();
                let killed = orphan::kill_adopted_but(JOB_VARIABLE, &others);
                let words = manager.map(Manager::words).unwrap_or_default();
                info!(target: "gorgon::listener", job:%, end:%, killed = killed.len(); "worker manager ended");
                let ended = host_job::Event::ManagerEnded(end, words);
                Some(host::Event::Job(job, ended))
            }
            JobWake::Prepared(result) => {
                serving.preparation = None;
                let event = match *result {
                    Ok(ready) => {
                        serving.ready = Some(ready);
                        host_job::Event::Prepared
                    }
                    Err((reason, error)) => {
                        warn!(target: "gorgon::listener", job:%, what = error.what.as_str(), reason:?; "{}", error.message);
                        host_job::Event::PreparationFailed(reason, error)
                    }
                };
                Some(host::Event::Job(job, event))
            }
            JobWake::Cleaned => {
                serving.cleaning = None;
                Some(host::Event::Job(job, host_job::Event::Cleaned))
            }
        }
    }
}
