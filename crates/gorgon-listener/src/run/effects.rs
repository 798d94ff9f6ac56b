//! What the core wants done.

use std::thread;

use crossbeam_channel::bounded;
use gorgon_proto::job::JobId;
use gorgon_proto::local::ListenerLine;
use gorgon_proto::message::{HostError, LeaveReason};
use gorgon_proto::names;
use log::{info, warn};

use super::Shell;
use crate::admit::ReplyTo;
use crate::host;
use crate::host_job::{Effect, Event};
use crate::manager::{self, Manager};
use crate::prepare::{self, Order, Place, Preparation};

impl Shell {
    pub(super) fn perform(&mut self, effect: host::Effect) {
        match effect {
            host::Effect::Answer(job, answer, reason) => self.answer(&job, answer, reason),
            host::Effect::Drop(job, told) => {
                if let Some(reason) = told {
                    self.leave(&job, reason, None);
                }
                self.forget(&job);
            }
            host::Effect::Job(job, effect) => self.perform_for(&job, effect),
            host::Effect::Grant(job, slot) => self.tell(&job, ListenerLine::Grant { slot }),
            host::Effect::Recall(job, slot) => self.tell(&job, ListenerLine::Recall { slot }),
            // The loop itself ends.
            host::Effect::Exit => {}
        }
    }

    /// Tells the manager of a job something.
    fn tell(&self, job: &JobId, line: ListenerLine) {
        info!(target: "gorgon::listener", job:%, line:?; "slots are shared anew");
        let serving = self.serving.get(job);
        if let Some(manager) = serving.and_then(|serving| serving.manager.as_ref()) {
            manager.tell(line);
        }
    }

    fn perform_for(&mut self, job: &JobId, effect: Effect) {
        let serving = self.serving.entry(job.clone()).or_default();
        match effect {
            Effect::Prepare => self.prepare(job),
            Effect::EndPreparation => {
                if let Some(preparation) = &mut serving.preparation {
                    preparation.give_up();
                }
            }
            Effect::StartManager => self.start_manager(job),
            Effect::SignalManager(signal) => {
                if let Some(manager) = &serving.manager {
                    manager.signal(signal);
                }
            }
            Effect::CloseManagerInput => {
                if let Some(manager) = &mut serving.manager {
                    manager.let_go();
                }
            }
            Effect::DeleteManagerQueue => self.delete_manager_queue(job),
            Effect::Leave(reason, error) => self.leave(job, reason, error),
            Effect::Clean => self.clean(job),
            Effect::Finish => {
                info!(target: "gorgon::listener", job:%; "done with the job");
                self.serving.remove(job);
                self.forget(job);
            }
        }
    }

    fn soon(&mut self, job: &JobId, event: Event) {
        self.soon.push_back((job.clone(), event));
    }

    fn prepare(&mut self, job: &JobId) {
        let Some(definition) = self.definitions.get(job) else {
            let (reason, error) = prepare::broken("its definition is gone");
            return self.soon(job, Event::PreparationFailed(reason, error));
        };
        // Where jobs share slots, it may get any of them.
        let slots = if self.host.serves_one() {
            definition.most_slots().min(self.voice.slots)
        } else {
            self.voice.slots
        };
        let preparation = Preparation::begin(Order {
            job: definition.clone(),
            slots,
            host: gorgon_ruby::Host {
                name: self.voice.host.clone(),
                slots: self.voice.slots,
            },
            place: self.place.clone(),
        });
        self.serving.entry(job.clone()).or_default().preparation = Some(preparation);
    }

    fn start_manager(&mut self, job: &JobId) {
        let serving = self.serving.get(job);
        let ready = serving.and_then(|serving| serving.ready.as_ref());
        let (Some(definition), Some(ready)) = (self.definitions.get(job), ready) else {
            let (_, error) = prepare::broken("there is no workspace");
            return self.soon(job, Event::ManagerNotStarted(error));
        };
        let place = manager::Place {
            config: ready.files.config(),
            run_dir: ready.files.run_dir(),
            listener_queue: &self.voice.queue,
            listener_id: &self.voice.id.0,
            host_name: &self.voice.host,
            host_slots: self.voice.slots,
            slots: self.host.slots_of(job),
            workspace: &ready.directory,
            in_place: matches!(self.place, Place::InPlace { .. }),
            log_file: self.log_file.as_ref(),
        };
        match Manager::start(definition, &place) {
            Ok(manager) => {
                info!(target: "gorgon::listener", job:%, pid = manager.pid(), slots:? = place.slots; "worker manager started");
                manager.tell(ListenerLine::Trace {
                    steps: ready.trace.clone(),
                });
                let serving = self.serving.entry(job.clone()).or_default();
                serving.manager_pid = Some(manager.pid());
                serving.manager = Some(manager);
            }
            Err(error) => {
                warn!(target: "gorgon::listener", job:%; "{}", error.message);
                self.soon(job, Event::ManagerNotStarted(error));
            }
        }
    }

    /// Nobody else may know of it: the originator hears of it when the manager joins, and may have ended.
    fn delete_manager_queue(&mut self, job: &JobId) {
        let serving = self.serving.get_mut(job);
        if let Some(pid) = serving.and_then(|serving| serving.manager_pid.take()) {
            let queue = names::queue_of_manager(job, &self.voice.id, pid);
            self.session.delete_queue(&queue);
        }
    }

    /// Tells a job's originator that this host leaves.
    fn leave(&mut self, job: &JobId, reason: LeaveReason, error: Option<HostError>) {
        info!(target: "gorgon::listener", job:%, reason:?; "leaves the job");
        if let Some(definition) = self.definitions.get(job) {
            let to = ReplyTo::of(definition);
            self.voice.report_left(&self.session, &to, reason, error);
        }
    }

    /// Puts the workspace back or removes it, in a thread: a big one takes seconds, and a ping wants
    /// its answer.
    fn clean(&mut self, job: &JobId) {
        let serving = self.serving.entry(job.clone()).or_default();
        let Some(ready) = serving.ready.take() else {
            return self.soon(job, Event::Cleaned);
        };
        let (cleaned, cleaning) = bounded::<()>(0);
        let thread = thread::Builder::new()
            .name("clean".to_owned())
            .spawn(move || {
                ready.end();
                drop(cleaned);
            });
        match thread {
            Ok(_) => serving.cleaning = Some(cleaning),
            // Without a thread it was removed here, as the closure was dropped.
            Err(_) => self.soon(job, Event::Cleaned),
        }
    }
}
