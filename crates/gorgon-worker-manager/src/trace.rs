//! Where the time of a job goes on this host: what the listener did before, and the manager's own steps.

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime};

use gorgon_proto::trace::{Step, Trace};

use crate::event::{Effect, Event};

/// The steps so far, and when those that are under way began.
#[derive(Debug)]
pub(crate) struct JobTrace {
    before: Vec<Step>,
    own: Trace,
    began: Instant,
    connected: bool,
    /// By preloader, also started again.
    preload: BTreeMap<u32, Instant>,
    calling_back: BTreeMap<u32, Instant>,
    /// From the first worker's start to the last one's end.
    workers: Option<(Instant, Instant)>,
}

impl JobTrace {
    /// The manager began then.
    pub(crate) fn begin(began: Instant) -> Self {
        Self {
            before: Vec::new(),
            own: Trace::begin("manager", Instant::now(), SystemTime::now()),
            began,
            connected: false,
            preload: BTreeMap::new(),
            calling_back: BTreeMap::new(),
            workers: None,
        }
    }

    /// What the listener did before.
    pub(crate) fn follows(&mut self, steps: Vec<Step>) {
        self.before = steps;
    }

    /// There is a broker; only the first time counts.
    pub(crate) fn connected(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.connected, true) {
            self.own.note("connect", self.began, now);
        }
    }

    /// Something is done.
    pub(crate) fn performs(&mut self, now: Instant, effect: &Effect) {
        match effect {
            Effect::StartPreloader(no) => {
                self.preload.insert(*no, now);
            }
            Effect::RunAfterCreatingWorkers(no) => {
                self.calling_back.insert(*no, now);
            }
            Effect::StartWorker { .. } => {
                self.workers.get_or_insert((now, now));
            }
            _ => {}
        }
    }

    /// Something has happened.
    pub(crate) fn hears(&mut self, now: Instant, event: &Event) {
        match event {
            Event::PreloaderReady(no) => {
                if let Some(began) = self.preload.remove(no) {
                    self.own.note("preload", began, now);
                }
            }
            Event::CallbackDone(no) => {
                if let Some(began) = self.calling_back.remove(no) {
                    self.own.note("after_creating_workers", began, now);
                }
            }
            Event::WorkerEnded(..) => {
                if let Some((_, ended)) = &mut self.workers {
                    *ended = now;
                }
            }
            _ => {}
        }
    }

    /// All steps, the manager's whole life being the last.
    pub(crate) fn end(mut self, now: Instant) -> Vec<Step> {
        if let Some((began, ended)) = self.workers {
            self.own.note("workers", began, ended);
        }
        self.own.note("job", self.began, now);
        self.before.extend_from_slice(self.own.steps());
        self.before
    }
}
