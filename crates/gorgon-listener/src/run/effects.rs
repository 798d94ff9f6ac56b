//! What the core wants done.

use std::thread;

use crossbeam_channel::{bounded, never};
use gorgon_proto::job::JobId;
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
            // The loop itself ends.
            host::Effect::Exit => {}
        }
    }

    fn perform_for(&mut self, job: &JobId, effect: Effect) {
        match effect {
            Effect::Prepare => self.prepare(job),
            Effect::EndPreparation => {
                if let Some(preparation) = &mut self.preparation {
                    preparation.give_up();
                }
            }
            Effect::StartManager => self.start_manager(job),
            Effect::SignalManager(signal) => {
                if let Some(manager) = &self.manager {
                    manager.signal(signal);
                }
            }
            Effect::CloseManagerInput => {
                if let Some(manager) = &mut self.manager {
                    manager.let_go();
                }
            }
            Effect::DeleteManagerQueue => self.delete_manager_queue(job),
            Effect::Leave(reason, error) => self.leave(job, reason, error),
            Effect::Clean => self.clean(),
            Effect::Finish => {
                info!(target: "gorgon::listener", job:%; "done with the job");
                self.cleaning = never();
                self.forget(job);
            }
        }
    }

    fn prepare(&mut self, job: &JobId) {
        let Some(definition) = self.definitions.get(job) else {
            let (reason, error) = prepare::broken("its definition is gone");
            self.soon.push(Event::PreparationFailed(reason, error));
            return;
        };
        self.preparation = Some(Preparation::begin(Order {
            job: definition.clone(),
            slots: manager::slots_for(definition, self.voice.slots),
            place: self.place.clone(),
        }));
    }

    fn start_manager(&mut self, job: &JobId) {
        let (Some(definition), Some(ready)) = (self.definitions.get(job), &self.ready) else {
            let (_, error) = prepare::broken("there is no workspace");
            self.soon.push(Event::ManagerNotStarted(error));
            return;
        };
        let place = manager::Place {
            config: ready.files.config(),
            run_dir: ready.files.run_dir(),
            listener_queue: &self.voice.queue,
            listener_id: &self.voice.id.0,
            host_name: &self.voice.host,
            slots: manager::slots_for(definition, self.voice.slots),
            workspace: &ready.directory,
            in_place: matches!(self.place, Place::InPlace { .. }),
            test_env_offset: self.test_env_offset,
            log_file: self.log_file.as_ref(),
        };
        match Manager::start(definition, &place) {
            Ok(manager) => {
                info!(target: "gorgon::listener", job:%, pid = manager.pid(); "worker manager started");
                self.manager_pid = Some(manager.pid());
                self.manager = Some(manager);
            }
            Err(error) => {
                warn!(target: "gorgon::listener", job:%; "{}", error.message);
                self.soon.push(Event::ManagerNotStarted(error));
            }
        }
    }

    /// Nobody else may know of it: the originator hears of it when the manager joins, and may have ended.
    fn delete_manager_queue(&mut self, job: &JobId) {
        if let Some(pid) = self.manager_pid.take() {
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
    fn clean(&mut self) {
        let Some(ready) = self.ready.take() else {
            self.soon.push(Event::Cleaned);
            return;
        };
        let (cleaned, cleaning) = bounded::<()>(0);
        let thread = thread::Builder::new()
            .name("clean".to_owned())
            .spawn(move || {
                ready.end();
                drop(cleaned);
            });
        match thread {
            Ok(_) => self.cleaning = cleaning,
            // Without a thread it was removed here, as the closure was dropped.
            Err(_) => self.soon.push(Event::Cleaned),
        }
    }
}
