//! What the ledger makes of each reply.

use std::time::Instant;

use gorgon_proto::item::ItemId;
use gorgon_proto::message::{Finish, Holding, ItemNote, Reply, WorkerKey};
use gorgon_proto::outcome::{FinishType, Verdict};

use super::event::{Cause, Effect, Happening};
use super::items::{DOUBT_LIMIT, Holder};
use super::sick::hook_of_sick;
use super::{HOLDS_LIMIT, Ledger};

fn worker_of(note: &ItemNote) -> WorkerKey {
    WorkerKey {
        listener_id: note.listener_id.clone(),
        worker_id: note.worker_id,
        pid: note.pid,
    }
}

/// Returns how many failures `--fail-fast` counts in a finish: failed tests and file errors.
pub(super) fn failures_of(finish: &Finish) -> u32 {
    let tests = finish
        .tests
        .iter()
        .filter(|test| test.outcome.is_bad())
        .count();
    let count = u32::try_from(tests + finish.errors.len()).unwrap_or(u32::MAX);
    if finish.kind == FinishType::Pass {
        0
    } else {
        count.max(1)
    }
}

fn verdict_of(kind: FinishType) -> Verdict {
    match kind {
        FinishType::Pass => Verdict::Passed,
        FinishType::Fail => Verdict::Failed,
        FinishType::Crash => Verdict::Crashed,
        FinishType::Timeout => Verdict::TimedOut,
    }
}

impl Ledger {
    pub(super) fn reply(&mut self, now: Instant, reply: Reply, out: &mut Vec<Effect>) {
        match reply {
            Reply::HostAnswered(message) if self.hosts.is_fenced(&message.listener_id) => {}
            Reply::HostAnswered(message) => {
                self.hosts.answered(now, &message);
                out.push(Effect::Tell(Happening::HostAnswered(message)));
            }
            Reply::HostJoined(message) => {
                let (dead, queue) = match self.hosts.joined(now, &message) {
                    Ok(joined) => joined,
                    Err(dead) => {
                        out.push(Effect::DeleteQueue(message.manager_queue_name));
                        return self.lose_workers(dead, self.recovery.is_none(), out);
                    }
                };
                out.extend(queue.map(Effect::DeleteQueue));
                if self.hosts.is_fenced(&message.listener_id) {
                    // A manager was started anew; it does not know yet.
                    out.push(Effect::SendAway(message.manager_queue_name));
                    return;
                }
                let host = message.listener_id.clone();
                out.push(Effect::Tell(Happening::HostJoined(message)));
                // The manager may be another one, which does not know which slots are sick.
                out.extend(self.hosts.send_leaving_away(&host));
                // A host that took us for gone left without a word: that is the outage's fault.
                let costs = self.recovery.is_none();
                self.lose_workers(dead, costs, out);
            }
            Reply::HostSlots(message) => {
                let gone = self.hosts.has_slots(now, &message);
                self.lose_workers(gone, false, out);
            }
            Reply::Start(start) => {
                let worker = WorkerKey {
                    listener_id: start.listener_id.clone(),
                    worker_id: start.worker_id,
                    pid: start.pid,
                };
                self.heard(now, &worker, &start.hostname);
                if let Some(place) = self.hosts.fence_of(&start.listener_id, start.worker_id) {
                    let name = &start.hostname;
                    return self.still_runs(start.item, start.attempt, &place, name, out);
                }
                self.doubt_held(now, &worker, Some(start.item));
                let ended = self.hosts.has_ended(now, &worker, start.manager_pid);
                let (item, attempt) = (start.item, start.attempt);
                let holder = Holder {
                    worker: worker.clone(),
                    hostname: start.hostname.clone(),
                };
                // Its finish may be on its way too; nobody else will ever speak of it.
                if self.items.started(item, attempt, holder.clone()) {
                    self.items.began_bundle(item, attempt, &holder);
                }
                if ended {
                    self.doubt_all_held(now, &worker);
                }
                if self.items.take_untold(item, attempt, worker) {
                    out.push(Effect::Tell(Happening::ItemStarted(start)));
                }
            }
            Reply::Finish(finish) => self.finished(now, finish, out),
            Reply::Returned(note) => {
                self.heard(now, &worker_of(&note), &note.hostname);
                if self.items.is_answered(now, note.item, note.attempt) {
                    return;
                }
                let recovering = self
                    .recovery
                    .as_ref()
                    .is_some_and(|r| r.refill_at.is_some());
                if recovering {
                    self.items
                        .doubt(note.item, note.attempt, now + HOLDS_LIMIT, false);
                } else {
                    self.items
                        .doubt(note.item, note.attempt, now + DOUBT_LIMIT, true);
                }
            }
            Reply::Holds(holding) => self.holds(now, &holding, out),
            Reply::Idle(note) => {
                let worker = WorkerKey {
                    listener_id: note.listener_id,
                    worker_id: note.worker_id,
                    pid: note.pid,
                };
                self.heard(now, &worker, &note.hostname);
                self.doubt_held(now, &worker, None);
            }
            Reply::HandedBack(note) => self.handed_back(now, note, Cause::HandedBack, out),
            Reply::GivenUp(note) => self.handed_back(now, note, Cause::ListenerLost, out),
            Reply::Declined(note) => {
                self.heard(now, &worker_of(&note), &note.hostname);
                if self.publishes() {
                    let alone = self.hosts.slots() <= 1;
                    let again = self.items.declined(note.item, note.attempt, alone);
                    out.extend(again.map(Effect::Publish));
                    self.pause(now, note.item);
                }
            }
            Reply::SuiteHookFailed(message) => {
                let (id, slot) = (&message.listener_id, message.worker_id);
                let sick = self.hosts.fence_of(id, slot);
                let sick = sick.filter(|place| !self.sick.keeps_hooks(place));
                let warning = sick.map(|place| hook_of_sick(&message, &place));
                out.push(Effect::Tell(match warning {
                    Some(warning) => Happening::Warning(warning),
                    None => Happening::SuiteHookFailed(message),
                }));
            }
            // `drive.rs` keeps it: no item depends on it.
            Reply::Coverage(_) => {}
            Reply::Warning(message) => out.push(Effect::Tell(Happening::Warning(message))),
            Reply::StartFailed(message) => out.push(Effect::Tell(Happening::StartFailed(message))),
            Reply::WorkerEnded(message) => {
                let worker = WorkerKey {
                    listener_id: message.listener_id.clone(),
                    worker_id: message.worker_id,
                    pid: message.pid,
                };
                self.hosts.worker_gone(now, &worker, &message.hostname);
                out.push(Effect::Tell(Happening::WorkerEnded(message)));
                self.lose_workers([worker], false, out);
            }
            Reply::WorkerDied(message) => {
                let worker = WorkerKey {
                    listener_id: message.listener_id.clone(),
                    worker_id: message.worker_id,
                    pid: message.pid,
                };
                self.hosts.worker_gone(now, &worker, &message.hostname);
                out.push(Effect::Tell(Happening::WorkerDied(message)));
                self.lose_workers([worker], true, out);
            }
            // One that was written off has been told and has lost its items already.
            Reply::HostLeft(message) if self.hosts.has_left(&message.listener_id) => {}
            // Another manager has joined since; the word comes late.
            Reply::HostLeft(message) if self.hosts.was_followed(&message) => {}
            Reply::HostLeft(message) => self.host_left(now, message, out),
        }
    }

    /// A worker has come back, and tells what it holds. What else it had begun, nobody holds.
    fn holds(&mut self, now: Instant, holding: &Holding, out: &mut Vec<Effect>) {
        let worker = WorkerKey {
            listener_id: holding.listener_id.clone(),
            worker_id: holding.worker_id,
            pid: holding.pid,
        };
        let items = holding.items();
        self.heard(now, &worker, &holding.hostname);
        if let Some(place) = self.hosts.fence_of(&holding.listener_id, holding.worker_id) {
            for (item, attempt) in items {
                self.still_runs(item, attempt, &place, &holding.hostname, out);
            }
            return;
        }
        for id in self.items.held_by(&worker) {
            if !items.iter().any(|(item, _)| *item == id) {
                self.doubt(now, id, false);
            }
        }
        let ended = self.hosts.has_just_ended(now, &worker);
        for (item, attempt) in items {
            let holder = Holder {
                worker: worker.clone(),
                hostname: holding.hostname.clone(),
            };
            self.items.holds(now, item, attempt, holder);
            if ended {
                let until = now + DOUBT_LIMIT;
                self.items.doubt(item, attempt, until, true);
            }
        }
    }

    /// Perhaps nobody runs this item any more.
    fn doubt(&mut self, now: Instant, id: ItemId, costs: bool) {
        if let Some(attempt) = self.items.get(id).map(|item| item.work.attempt) {
            self.items.doubt(id, attempt, now + DOUBT_LIMIT, costs);
        }
    }

    /// A worker does not run this item to its end. What takes its listener down costs an attempt: else a file that
    /// does would come back for ever.
    fn handed_back(&mut self, now: Instant, note: ItemNote, cause: Cause, out: &mut Vec<Effect>) {
        self.heard(now, &worker_of(&note), &note.hostname);
        let item = self.items.get(note.item);
        if item.is_some_and(|i| i.work.attempt == note.attempt) {
            let costs = cause == Cause::ListenerLost;
            self.requeue(note.item, cause, Some(note.hostname), costs, out);
        }
    }

    /// A worker speaks of one item, and holds others that are not in its bundle. It begins no other delivery before the
    /// broker has the finishes of the one before. If they did not arrive, the broker has lost them, or they are still on
    /// their way.
    fn doubt_held(&mut self, now: Instant, worker: &WorkerKey, but: Option<ItemId>) {
        for id in self.items.held_besides(worker, but) {
            self.doubt(now, id, false);
        }
    }

    /// A worker that has ended had begun these.
    fn doubt_all_held(&mut self, now: Instant, worker: &WorkerKey) {
        for id in self.items.held_by(worker) {
            self.doubt(now, id, true);
        }
    }

    fn heard(&mut self, now: Instant, worker: &WorkerKey, hostname: &str) {
        self.hosts.heard_worker(now, worker, hostname);
        if let Some(recovery) = &mut self.recovery {
            recovery.awaited.remove(worker);
        }
    }

    fn finished(&mut self, now: Instant, finish: Box<Finish>, out: &mut Vec<Effect>) {
        let worker = WorkerKey {
            listener_id: finish.listener_id.clone(),
            worker_id: finish.worker_id,
            pid: finish.pid,
        };
        self.heard(now, &worker, &finish.hostname);
        if let Some(place) = self.hosts.fence_of(&finish.listener_id, finish.worker_id) {
            log::info!(target: "gorgon::originator", item:% = finish.item, host:% = finish.hostname, slot = finish.worker_id; "finish of a sick host or slot dropped");
            let name = &finish.hostname;
            return self.take_back(finish.item, finish.attempt, &place, name, out);
        }
        let attempts = self
            .items
            .get(finish.item)
            .map_or(0, |item| {
                u32::try_from(item.lost_on.len()).unwrap_or(u32::MAX)
            })
            .saturating_add(1);
        self.items.bundles.ended(&finish);
        let verdict = verdict_of(finish.kind);
        if !self.items.settle(finish.item, verdict) {
            log::info!(target: "gorgon::originator", item:% = finish.item, attempt = finish.attempt, host:% = finish.hostname; "late finish dropped");
            return;
        }
        if let Some(way) = self.reviews.way_of(finish.item) {
            let mut found = Vec::new();
            self.review_ended(&finish, &mut found);
            out.push(Effect::Tell(Happening::ItemFinished {
                finish,
                verdict,
                attempts,
                repeat: None,
                review: Some(way),
            }));
            return out.extend(found);
        }
        let repeat = self.items.get(finish.item).and_then(|item| item.repeat);
        let mut left = Vec::new();
        let part = repeat.map_or(finish.item, |repeat| repeat.item);
        self.part_told(part, &finish, &mut left);
        self.part_over(finish.item);
        if let Some(repeat) = repeat {
            if self.is_whole(finish.item, repeat) {
                self.count_first(repeat.item, &finish, out);
            } else if self.filters.is_unfiltered(repeat.item) {
                self.count_first(repeat.item, &finish, out);
                self.counted(repeat.item, &finish);
            } else {
                self.repeat_ended(finish.item, repeat, &finish);
            }
            out.push(Effect::Tell(Happening::ItemFinished {
                finish,
                verdict,
                attempts,
                repeat: Some(repeat),
                review: None,
            }));
            out.extend(left);
            return;
        }
        let mut whole = Vec::new();
        let (verdict, retried) = match self.retried(&finish, verdict, out) {
            Some((verdict, retried)) => (verdict, Some(retried)),
            None if self.run_whole(&finish, &mut whole) => (verdict, None),
            None => {
                let failures = self.count_first(finish.item, &finish, out);
                self.counted(finish.item, &finish);
                self.sick.ended(finish.item, &finish, failures);
                (verdict, None)
            }
        };
        out.push(Effect::Tell(Happening::ItemFinished {
            finish,
            verdict,
            attempts,
            repeat: None,
            review: None,
        }));
        out.extend(retried.map(Effect::Tell));
        out.extend(whole);
        out.extend(left);
    }

    /// What ran of an item of the plan counts: its failures now, or after their retries. Returns how
    /// many count now.
    fn count_first(&mut self, of: ItemId, finish: &Finish, out: &mut Vec<Effect>) -> u32 {
        let failures = if self.want_retries(of, finish, out) {
            // Its tests count after their retries.
            u32::try_from(finish.errors.len()).unwrap_or(u32::MAX)
        } else {
            failures_of(finish)
        };
        self.failures = self.failures.saturating_add(failures);
        failures
    }
}
