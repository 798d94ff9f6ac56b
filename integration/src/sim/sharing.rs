//! Slots that a host's jobs share: another project's job, which is invented, beside the real one;
//! and what must be true of it all.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use gorgon_listener::host;
use gorgon_listener::host_job;
use gorgon_process::child::End;
use gorgon_proto::job::JobId;
use gorgon_proto::local::{ListenerLine, ManagerLine};
use gorgon_proto::names;
use gorgon_worker_manager::event as supervise;

use super::originator::job;
use super::{Due, Pid, World};

/// An item of the other job takes so many milliseconds at most.
const OTHER_ITEM_MS: u64 = 3_000;
/// The longest that a slot, or a job without one, waits while items do: a look at the file queue,
/// an item of the other job, and what the messages take.
const WAITS_AT_MOST: Duration = Duration::from_secs(15);

/// The slots of the other job of a listener.
#[derive(Debug, Default)]
pub(super) struct Other {
    held: BTreeSet<u32>,
    /// Since when items wait though the real job has too few slots.
    waits_since: Option<Instant>,
}

/// Another project's job.
pub(super) fn other_job() -> JobId {
    JobId("other".to_owned())
}

impl World {
    /// The other job comes, and goes after a while.
    pub(super) fn begin_other(&mut self, pid: Pid, runs_for: Duration) {
        let Some(listener) = self.listeners.get(&pid) else {
            return;
        };
        let most = self.plan.hosts[listener.machine - 1].slots;
        let job = other_job();
        self.tell_host(pid, host::Event::Offered { job, most });
        let ended = host_job::Event::ManagerEnded(End::Exited(0), String::new());
        self.later(runs_for, Due::Host(pid, other_job(), ended));
    }

    /// The other job has no more than a beginning, slots, and an end.
    pub(super) fn perform_for_other(&mut self, pid: Pid, of: &JobId, effect: &host_job::Effect) {
        let event = match effect {
            host_job::Effect::Prepare => host_job::Event::Prepared,
            host_job::Effect::Clean => host_job::Event::Cleaned,
            host_job::Effect::SignalManager(_) | host_job::Effect::CloseManagerInput => {
                host_job::Event::ManagerEnded(End::Exited(0), String::new())
            }
            host_job::Effect::StartManager => {
                let slots = self.listeners.get(&pid).map(|l| l.host.slots_of(of));
                for slot in slots.unwrap_or_default() {
                    self.other_gets(pid, slot);
                }
                let starts = Duration::from_millis(self.dice.roll(1_000));
                return self.later(starts, Due::Said(pid, of.clone(), ManagerLine::Ready));
            }
            host_job::Effect::EndPreparation
            | host_job::Effect::DeleteManagerQueue
            | host_job::Effect::Leave(..) => return,
            host_job::Effect::Finish => return self.forget(pid, of),
        };
        self.soon(Due::Host(pid, of.clone(), event));
    }

    /// A listener tells a manager something.
    pub(super) fn tell_of_slots(&mut self, pid: Pid, of: &JobId, line: ListenerLine) {
        if *of == job() {
            let manager = self.listeners.get(&pid).and_then(|l| l.manager);
            let event = match line {
                ListenerLine::Grant { slot } => supervise::Event::Granted(slot),
                ListenerLine::Recall { slot } => supervise::Event::Recalled(slot),
                ListenerLine::Trace { .. } => return,
            };
            if let Some(manager) = manager {
                self.soon(Due::Manager(manager, event));
            }
            return;
        }
        match line {
            ListenerLine::Trace { .. } => {}
            ListenerLine::Grant { slot } => self.other_gets(pid, slot),
            ListenerLine::Recall { slot } => {
                let takes = Duration::from_millis(self.dice.roll(OTHER_ITEM_MS));
                let freed = ManagerLine::Freed { slot, out: false };
                self.later(takes, Due::Said(pid, of.clone(), freed));
            }
        }
    }

    fn other_gets(&mut self, pid: Pid, slot: u32) {
        let busy = self.workers.values();
        if busy
            .filter(|worker| worker.listener == pid)
            .any(|worker| worker.slot == slot)
        {
            let what =
                format!("slot {slot} of listener {pid} is granted while a worker runs in it");
            self.truth.wrong(what);
        }
        let idles = Duration::from_millis(self.dice.roll(4 * OTHER_ITEM_MS));
        if let Some(listener) = self.listeners.get_mut(&pid) {
            listener.other.held.insert(slot);
        }
        if self.dice.roll(3) == 0 {
            let idle = ManagerLine::Idle { slot };
            self.later(idles, Due::Said(pid, other_job(), idle));
        }
    }

    /// A worker of the real job starts.
    pub(super) fn takes_slot(&mut self, listener: Pid, slot: u32) {
        let shared = self.listeners.get(&listener);
        if shared.is_some_and(|listener| listener.other.held.contains(&slot)) {
            self.truth.wrong(format!(
                "slot {slot} of listener {listener} is another job's"
            ));
        }
    }

    /// A manager says something to its listener.
    pub(super) fn manager_said(&mut self, pid: Pid, of: JobId, line: ManagerLine) {
        if of == other_job()
            && let Some(listener) = self.listeners.get_mut(&pid)
        {
            match &line {
                ManagerLine::Freed { slot, .. } if !listener.other.held.remove(slot) => return,
                ManagerLine::Idle { slot } if !listener.other.held.contains(slot) => return,
                _ => {}
            }
        }
        self.tell_host(pid, host::Event::Said(of, line));
    }

    /// The other job's manager is gone.
    pub(super) fn other_ended(&mut self, pid: Pid) {
        if let Some(listener) = self.listeners.get_mut(&pid) {
            listener.other.held.clear();
        }
    }

    /// Where nothing else goes wrong, no slot idles, and no job starves, while items wait.
    pub(super) fn watch_sharing(&mut self) {
        if !self.plan.faults.is_empty() || self.originator.ended.is_some() || self.truth.shut {
            return;
        }
        let files = self.broker.queues.get(&names::file_queue(&job()));
        let waits = files.is_some_and(|files| !files.ready.is_empty());
        let items = u32::try_from(self.plan.natures.len()).unwrap_or(u32::MAX);
        let mut late = None;
        for (pid, listener) in &mut self.listeners {
            let has = u32::try_from(listener.host.slots_of(&job()).len()).unwrap_or(u32::MAX);
            let runs = listener
                .manager
                .and_then(|manager| self.managers.get(&manager))
                .is_some_and(|manager| manager.exiting.is_none() && manager.joined);
            let lacks = has == 0 || has < items && listener.host.free() > 0;
            let troubled = self.plan.hosts[listener.machine - 1].trouble.is_some();
            if troubled || !(waits && runs && lacks) {
                listener.other.waits_since = None;
                continue;
            }
            let since = *listener.other.waits_since.get_or_insert(self.now);
            // A slot that is recalled for another job counts for none until its item has ended.
            let most = WAITS_AT_MOST + Duration::from_millis(self.plan.item_ms);
            if self.now - since > most {
                late = Some((*pid, has, listener.host.free()));
            }
        }
        if let Some((pid, has, free)) = late {
            self.truth.wrong(format!(
                "items wait for {WAITS_AT_MOST:?} while {has} slots of listener {pid} serve their job and {free} nobody"
            ));
        }
    }
}
