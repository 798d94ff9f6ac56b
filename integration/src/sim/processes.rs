//! Processes: who hears what their sessions tell, and how they end, with all that hangs on them.

use std::time::Duration;

use gorgon_originator::ledger;
use gorgon_process::child::End;
use gorgon_proto::local::{Began, MANAGER_UNHEARD, WorkerLine};
use gorgon_proto::message::Reply;
use gorgon_worker_manager::event as supervise;

use super::session::{Heard, Session};
use super::{Due, ORIGINATOR, Pid, World, killed};

impl World {
    pub(super) fn heard(&mut self, pid: Pid, heard: Heard) {
        if self
            .sessions
            .get(&pid)
            .is_some_and(|session| session.closing)
        {
            return;
        }
        self.heard_late(pid);
        if pid == ORIGINATOR {
            self.originator_heard(heard);
        } else if self.listeners.contains_key(&pid) {
            self.listener_heard(pid, heard);
        } else if self.managers.contains_key(&pid) {
            self.manager_heard(pid, heard);
        } else {
            self.worker_heard(pid, heard);
        }
    }

    /// What waited for another event; only workers have it.
    pub(super) fn heard_late(&mut self, pid: Pid) {
        let session = self.sessions.get_mut(&pid);
        for tag in session.map_or_else(Vec::new, |session| std::mem::take(&mut session.acked)) {
            self.worker_heard(pid, Heard::Acked(tag));
        }
    }

    /// A process has said its last word: it ends when that has arrived, or after `limit`.
    pub(super) fn close_within(&mut self, pid: Pid, limit: Duration) {
        if let Some(session) = self.sessions.get_mut(&pid) {
            session.closing = true;
        }
        self.later(limit, Due::Close(pid));
        self.leave_if_settled(pid);
    }

    pub(super) fn leave_if_settled(&mut self, pid: Pid) {
        let settled = |s: &&super::Session| s.closing && s.stands && s.is_settled();
        if self.sessions.get(&pid).filter(settled).is_some() {
            self.process_ends(pid);
        }
    }

    /// A process is gone.
    pub(super) fn process_ends(&mut self, pid: Pid) {
        let unheard = self.sessions.get(&pid).is_some_and(Session::owes_last_word);
        self.close(pid);
        if let Some(worker) = self.workers.remove(&pid) {
            let end = worker.exiting.unwrap_or_else(killed);
            self.note(|_| format!("worker {pid} has ended: {end}"));
            self.truth.takes_with_it(pid);
            let manager = self.managers.get(&worker.manager);
            let told = manager.is_some_and(|manager| manager.exiting.is_none());
            for (item, attempt) in worker.holds {
                if told {
                    self.truth.dies(self.now, item, attempt);
                }
                self.truth.loses(item, attempt);
            }
            if let Some(manager) = self.managers.get_mut(&worker.manager) {
                manager.workers.retain(|_, one| *one != pid);
                if let Some(Began { start, in_bundle }) = worker.noted {
                    let item = start.item;
                    let line = WorkerLine::Item { item, in_bundle };
                    let said = supervise::Event::WorkerSaid(worker.slot, line);
                    self.soon(Due::Manager(worker.manager, said));
                    if matches!(end, End::Signaled(_)) {
                        self.manager_says(worker.manager, Reply::Start(start));
                    }
                }
                let ended = supervise::Event::WorkerEnded(worker.slot, end);
                self.soon(Due::Manager(worker.manager, ended));
            }
        } else if self.managers.contains_key(&pid) {
            self.end_below(pid);
            if let Some(manager) = self.managers.remove(&pid) {
                let end = match manager.exiting {
                    Some(End::Exited(_)) if unheard && !manager.parent_gone => {
                        End::Exited(i32::from(MANAGER_UNHEARD))
                    }
                    end => end.unwrap_or_else(killed),
                };
                self.note(|_| format!("manager {pid} has ended: {end}"));
                self.manager_ended(manager.listener, pid, end);
            }
        } else if let Some(listener) = self.listeners.remove(&pid) {
            self.note(|_| format!("listener {pid} has ended"));
            self.truth.listeners_ended += 1;
            if let Some(manager) = listener.manager {
                self.soon(Due::ParentGone(manager));
            }
            if self.plan.local {
                let end = End::Exited(0).to_string();
                self.soon(Due::Ledger(ledger::Event::LocalListenerEnded { end }));
            } else if self.dice.roll(4) > 0 {
                let after = Duration::from_millis(200 + self.dice.roll(20_000));
                self.later(after, Due::Listener(listener.machine));
            }
        }
    }

    pub(super) fn kill_listener(&mut self, pid: Pid) {
        if self.listeners.contains_key(&pid) {
            self.process_ends(pid);
        }
    }
}
