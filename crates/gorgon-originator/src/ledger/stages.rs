//! The stages of a job: it runs, its hosts end, it is done; and when there is no host for it.

use std::time::{Duration, Instant};

use super::event::{Effect, Ending, Happening};
use super::{ANSWERS_LIMIT, LOCAL_RESTARTS, Ledger, STRAYS_LIMIT, TOLD_LIMIT};

/// Where the job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    /// The offer is not out yet.
    Preparing,
    /// Items run.
    Running,
    /// `--fail-fast` has emptied the file queue; what runs comes to its end.
    Draining {
        /// Until when an item may be on its way to a worker that has not told of it.
        strays_until: Instant,
    },
    /// Nothing is published any more; the hosts end.
    Closing {
        /// How it will have ended.
        ending: Ending,
        /// When the hosts are waited for no longer.
        until: Instant,
    },
    /// Over.
    Done,
}

impl Ledger {
    pub(super) fn cancelled(&mut self, now: Instant, out: &mut Vec<Effect>) {
        match self.stage {
            Stage::Preparing => self.done(Ending::Cancelled, out),
            Stage::Closing {
                ending: Ending::Cancelled,
                ..
            } => self.done(Ending::Cancelled, out),
            Stage::Running | Stage::Draining { .. } | Stage::Closing { .. } => {
                out.push(Effect::SendCancel);
                out.push(Effect::PurgeFileQueue);
                self.close(Ending::Cancelled, now + self.rules.cancel_limit);
            }
            Stage::Done => {}
        }
    }

    /// How long the hosts may take to end: a callback that overruns its limit is stopped and told
    /// of by its host, which takes a moment more.
    fn end_limit(&self) -> Duration {
        self.rules.callback_limit + TOLD_LIMIT
    }

    /// As much has failed as `--fail-fast` allows.
    pub(super) fn failed_fast(&self) -> bool {
        self.rules
            .fail_fast
            .is_some_and(|n| self.failures >= n.max(1))
    }

    pub(super) fn close(&mut self, ending: Ending, until: Instant) {
        self.recovery = None;
        self.alone_since = None;
        self.stage = Stage::Closing { ending, until };
    }

    pub(super) fn done(&mut self, ending: Ending, out: &mut Vec<Effect>) {
        self.stage = Stage::Done;
        out.push(Effect::Done(ending));
    }

    pub(super) fn local_listener_is_gone(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let Some((_, end)) = self.local_ended.take() else {
            return;
        };
        for id in self.hosts.ids_living() {
            self.write_off(now, &id, out);
        }
        if self.stage != Stage::Running || self.hosts.all_failed() {
            return;
        }
        if self.local_restarts < LOCAL_RESTARTS {
            self.local_restarts += 1;
            out.push(Effect::Tell(Happening::LocalListenerDied { end }));
            out.push(Effect::StartLocalListener);
        } else {
            self.done(Ending::LocalListenerDied { end }, out);
        }
    }

    /// Looks whether the job, or a stage of it, is over.
    pub(super) fn conclude(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let failed_fast = self.failed_fast();
        match &mut self.stage {
            Stage::Preparing | Stage::Done => {}
            Stage::Running if self.items.unsettled() == 0 && !self.retries.any_wanted() => {
                out.push(Effect::DeleteFileQueue);
                self.close(Ending::Complete, now + self.end_limit());
                self.conclude(now, out);
            }
            Stage::Running if failed_fast => {
                self.alone_since = None;
                out.push(Effect::PurgeFileQueue);
                self.stage = Stage::Draining {
                    strays_until: now + STRAYS_LIMIT,
                };
                self.stop_refilling();
                self.conclude(now, out);
            }
            // To delete the file queue is the word that stops what runs; so it stays until then.
            Stage::Draining { strays_until } => {
                let strays = now < *strays_until && self.items.any_queued();
                if !strays && !self.items.any_held() {
                    let ending = if self.items.unsettled() == 0 && !self.retries.any_wanted() {
                        Ending::Complete
                    } else {
                        Ending::FailFast
                    };
                    out.push(Effect::DeleteFileQueue);
                    self.close(ending, now + self.end_limit());
                    self.conclude(now, out);
                }
            }
            Stage::Running => self.look_for_hosts(now, out),
            Stage::Closing { ending, until } => {
                let waits = match ending {
                    Ending::Cancelled => self.hosts.any_lives(),
                    Ending::Complete
                    | Ending::FailFast
                    | Ending::NoListener { .. }
                    | Ending::HostsFailed { .. }
                    | Ending::LocalListenerDied { .. }
                    | Ending::BrokerGone
                    | Ending::MessageTooLarge { .. }
                    | Ending::NotBegun => self.hosts.any_joined(),
                };
                if !waits || *until <= now {
                    let ending = ending.clone();
                    if ending != Ending::Cancelled && self.hosts.any_lives() {
                        // Nobody takes part any more who would be disturbed by it: hosts that
                        // still prepare, or wait for another job to end, need not begin.
                        out.push(Effect::SendCancel);
                    }
                    self.done(ending, out);
                }
            }
        }
    }

    /// With `--local` no other listener would answer.
    pub(super) fn answers_limit(&self) -> Duration {
        if self.rules.local {
            Duration::ZERO
        } else {
            ANSWERS_LIMIT
        }
    }

    pub(super) fn look_for_hosts(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self.hosts.any_lives() {
            self.alone_since = None;
            return;
        }
        let Some(offered_at) = self.offered_at else {
            return;
        };
        if self.hosts.all_failed() && now >= offered_at + self.answers_limit() {
            let refused = self.hosts.refused();
            let ending = if refused.is_empty() {
                Ending::HostsFailed {
                    all_in_sync: self.hosts.all_failed_in_sync(),
                }
            } else {
                Ending::NoListener {
                    had_hosts: false,
                    refused,
                }
            };
            return self.done(ending, out);
        }
        match self.alone_since {
            None => {
                self.alone_since = Some(now);
                if !self.hosts.all_failed() && !self.rules.local {
                    let wait_limit = self.rules.wait_limit;
                    out.push(Effect::Tell(Happening::NoHostLeft { wait_limit }));
                    // Not to those alone that would fail again, and again.
                    if std::mem::take(&mut self.offer_again) {
                        self.hosts.ask_all();
                        out.push(Effect::Offer);
                    }
                }
            }
            Some(since) if self.broker_up && now >= since + self.rules.wait_limit => {
                let had_hosts = !self.hosts.is_empty();
                self.done(
                    Ending::NoListener {
                        had_hosts,
                        refused: self.hosts.refused(),
                    },
                    out,
                );
            }
            Some(_) => {}
        }
    }
}
