//! How the shell starts preloaders and workers.

use std::path::PathBuf;

use gorgon_process::child::End;
use gorgon_process::exit;
use gorgon_proto::job::WorkspaceMode;
use gorgon_proto::message::{self, HostError, LeaveReason};
use gorgon_ruby::Preloader;
use log::{error, info};

use super::{Running, Shell};
use crate::event::Event;
use crate::ruby;
use crate::worker::Worker;

impl Shell<'_> {
    fn directory(&self, no: u32) -> PathBuf {
        match self.definition.workspace {
            WorkspaceMode::Job => self.args.workspace.clone(),
            WorkspaceMode::Slot => self.args.workspace.join(format!("slot-{no}")),
        }
    }

    pub(super) fn start_preloader(&mut self, no: u32) {
        let settings = ruby::settings(
            &self.definition,
            self.directory(no),
            self.args.in_place,
            self.args.host(),
            self.callback_limit,
        );
        let socket = self.sockets.another();
        let warm = self.keeper.take().and_then(|keeper| {
            let forked = Preloader::fork(&settings, &socket, &keeper);
            forked
                .inspect_err(|error| info!(target: "gorgon::manager", error:% = exit::chain(error); "no fork of a kept application"))
                .ok()
        });
        let started = warm.map_or_else(|| Preloader::start(&settings, &socket), Ok);
        match started {
            Ok(preloader) => {
                info!(target: "gorgon::manager", preloader = no, pid = preloader.pid(); "preloader started");
                self.preloaders.insert(no, Running { preloader, socket });
            }
            Err(failed) => {
                let error = ruby::not_started(&failed);
                error!(target: "gorgon::manager", "{}", error.message);
                let failed = Event::PreloaderFailed(no, LeaveReason::PreloaderFailed, error);
                self.caused.push(failed);
            }
        }
    }

    pub(super) fn start_worker(&mut self, slot: u32, preloader: u32) {
        let Some(socket) = self
            .preloaders
            .get(&preloader)
            .map(|running| running.socket.clone())
        else {
            // Its end is on its way to the core, which then thinks again.
            self.caused.push(Event::WorkerEnded(
                slot,
                End::Exited(gorgon_proto::local::WORKER_PRELOADER_LOST.into()),
            ));
            return;
        };
        let (number, warning) = self.numbers.take(slot);
        if let Some(text) = warning {
            info!(target: "gorgon::manager", "{text}");
            // Several listeners of one machine are a plan, two runs in one directory often none.
            if self.args.in_place {
                self.replies.warn(text);
            }
        }
        let directory = self.directory(preloader);
        let started = Worker::start(
            self.args,
            slot,
            number,
            directory,
            socket,
            message::write(&self.definition),
            self.replies.was_down(),
        );
        match started {
            Ok(worker) => {
                info!(target: "gorgon::manager", slot, pid = worker.pid(); "worker started");
                self.caused.push(Event::WorkerStarted(slot, worker.pid()));
                self.workers.insert(slot, worker);
            }
            Err(failed) => {
                self.numbers.give_free(slot);
                let error = HostError {
                    what: "gorgon-worker".to_owned(),
                    message: exit::chain(&failed),
                    command: String::new(),
                    output: String::new(),
                };
                self.caused.push(Event::WorkerNotStarted(slot, error));
            }
        }
    }
}
