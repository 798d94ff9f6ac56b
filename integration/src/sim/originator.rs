//! The originator: its ledger's effects performed, as `drive` does it.

use std::time::{Duration, Instant};

use gorgon_originator::ledger::{Effect, Ending, Event, Ledger, Rules};
use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::job::JobId;
use gorgon_proto::names;

use super::broker::{Body, Declare, Exchange, To};
use super::plan::Plan;
use super::session::{Heard, Once, Order, Posted, Session};
use super::{Due, ORIGINATOR, World};

/// Without a broker for so long it gives up.
const BROKER_LIMIT: Duration = Duration::from_secs(120);
/// A callback may take so long.
pub(super) const CALLBACK_LIMIT: Duration = Duration::from_secs(60);
/// How long it waits for a listener.
pub(super) const WAIT_LIMIT: Duration = Duration::from_secs(60);
/// The last words of its session.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// The end of the local listener.
const LOCAL_END_LIMIT: Duration = Duration::from_secs(5);
/// So many replies are on their way at once.
const REPLIES: usize = 200;
/// A message that is not asked after.
const NO_TAG: u64 = u64::MAX;

/// The originator.
#[derive(Debug)]
pub(super) struct Originator {
    ledger: Ledger,
    pub(super) work: Vec<WorkItem>,
    pub(super) ended: Option<(Ending, Instant)>,
    /// The items are queued and offered.
    begun: bool,
    down: bool,
}

impl Originator {
    pub(super) fn new(plan: &Plan, work: Vec<WorkItem>) -> Self {
        let rules = Rules {
            retries: plan.retries,
            fail_fast: plan.fail_fast,
            gone_run_whole: false,
            local: plan.local,
            wait_limit: WAIT_LIMIT,
            callback_limit: CALLBACK_LIMIT,
            cancel_limit: if plan.local {
                CALLBACK_LIMIT
            } else {
                Duration::from_secs(1)
            },
        };
        Self {
            ledger: match plan.seconds.clone() {
                Some(seconds) => Ledger::new(rules, work.clone()).bundling(seconds, 0),
                None if plan.has_sick_slot() => {
                    let seconds = vec![None; work.len()];
                    let ledger = Ledger::new(rules, work.clone());
                    ledger.bundling(seconds, 0).singly()
                }
                None => Ledger::new(rules, work.clone()),
            },
            work,
            ended: None,
            begun: false,
            down: false,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.ledger.deadline().filter(|_| self.ended.is_none())
    }

    pub(super) fn open_items(&self) -> Vec<ItemId> {
        self.ledger.open_items()
    }
}

/// The job.
pub(super) fn job() -> JobId {
    JobId("job".to_owned())
}

fn queue(name: String) -> Declare {
    Declare {
        queue: name,
        auto_delete: false,
        bound: None,
    }
}

impl World {
    pub(super) fn start_originator(&mut self) {
        let mut session = Session::new(0, self.now, Some(BROKER_LIMIT));
        let own = names::originator_queue(&job());
        session.declare = vec![
            queue(names::reply_queue(&job())),
            queue(names::mark_queue(&job())),
            Declare {
                queue: own.clone(),
                auto_delete: false,
                bound: Some(Exchange::Originators),
            },
        ];
        session.consume.insert(names::reply_queue(&job()), REPLIES);
        session.consume.insert(own, 10);
        self.open(ORIGINATOR, session);
    }

    /// It is connected: the items are queued, and the job is offered.
    fn begin(&mut self) {
        self.originator.begun = true;
        self.post_mark();
        let files = queue(names::file_queue(&job()));
        self.order(ORIGINATOR, Order::Once(Once::Declare(files)));
        for items in self.originator.ledger.publish_first() {
            self.queue_items(items);
        }
        self.post_offer(To::Exchange(Exchange::Jobs));
        self.tell_ledger(Event::Offered);
    }

    fn queue_items(&mut self, items: Vec<WorkItem>) {
        let posted = Posted {
            tag: items.first().map_or(NO_TAG, |item| u64::from(item.item.0)),
            to: To::Queue(names::file_queue(&job())),
            body: Body::Items(items),
        };
        self.order(ORIGINATOR, Order::Publish(posted));
    }

    pub(super) fn post_mark(&mut self) {
        let posted = Posted {
            tag: NO_TAG,
            to: To::Queue(names::mark_queue(&job())),
            body: Body::Mark,
        };
        self.order(ORIGINATOR, Order::Publish(posted));
    }

    fn post_offer(&mut self, to: To) {
        let posted = Posted {
            tag: NO_TAG,
            to,
            body: Body::Offer(job()),
        };
        self.order(ORIGINATOR, Order::Publish(posted));
    }

    fn post_to_manager(&mut self, queue: String, body: Body) {
        let posted = Posted {
            tag: NO_TAG,
            to: To::Queue(queue),
            body,
        };
        self.order(ORIGINATOR, Order::Publish(posted));
    }

    pub(super) fn cancel(&mut self) {
        if self.originator.begun && self.originator.ended.is_none() {
            self.note(|_| "the user cancels".to_owned());
            self.truth.cancelled = true;
            self.tell_ledger(Event::Cancelled);
        }
    }

    pub(super) fn originator_heard(&mut self, heard: Heard) {
        match heard {
            Heard::Up if !self.originator.begun => self.begin(),
            Heard::Up if self.originator.down => {
                self.originator.down = false;
                self.soon(Due::LookAtFiles {
                    back: true,
                    tries: 3,
                });
            }
            Heard::Up => {}
            // Without a first connection it does not begin: whoever starts it tries again.
            Heard::Down { .. } if !self.originator.begun => {}
            Heard::Down { answered: true } => {}
            Heard::Down { .. } => {
                if !std::mem::replace(&mut self.originator.down, true) {
                    self.tell_ledger(Event::BrokerLost);
                }
            }
            Heard::Delivery(id, delivery) => {
                self.order(ORIGINATOR, Order::Ack(id, delivery.number));
                match delivery.body {
                    Body::Replies(replies) => {
                        for reply in replies {
                            self.tell_ledger(Event::Reply(Box::new(reply)));
                        }
                    }
                    Body::Announce(announce) => self.tell_ledger(Event::Announced(announce)),
                    Body::Items(_) | Body::Mark | Body::Offer(_) | Body::Cancel => {}
                    Body::Leave | Body::LeaveSlot(_) | Body::Over | Body::ItemWaits => {}
                }
            }
            Heard::Unroutable(tag) if tag != NO_TAG => {
                self.soon(Due::LookAtFiles {
                    back: false,
                    tries: 1,
                });
            }
            Heard::ConsumerEnded { queue: gone, .. } if gone == names::reply_queue(&job()) => {
                self.order(ORIGINATOR, Order::Declare(queue(gone.clone())));
                self.order(ORIGINATOR, Order::Consume(gone, REPLIES));
                self.soon(Due::LookAtFiles {
                    back: false,
                    tries: 1,
                });
                self.tell_ledger(Event::ReplyQueueLost);
            }
            Heard::GaveUp => self.tell_ledger(Event::BrokerGaveUp),
            Heard::ConsumerEnded { .. }
            | Heard::Confirmed(_)
            | Heard::Acked(_)
            | Heard::Unroutable(_)
            | Heard::Drained => {}
        }
    }

    pub(super) fn tell_ledger(&mut self, event: Event) {
        if self.originator.ended.is_some() {
            return;
        }
        let dull = matches!(
            event,
            Event::DeadlinePassed | Event::HostLooked { .. } | Event::FileQueueLooked { .. }
        );
        if !dull {
            self.note(|_| match &event {
                Event::Reply(reply) => format!("ledger hears {}", words(reply)),
                other => format!("ledger: {other:?}"),
            });
        }
        for effect in self.originator.ledger.step(self.now, event) {
            if !matches!(effect, Effect::LookAtHosts(_) | Effect::LookAtFileQueue) {
                self.note(|_| format!("  ledger: {}", short(&effect)));
            }
            self.judge_again(&effect);
            self.truth.sees(self.now - self.begun, &effect);
            self.perform_for_ledger(effect);
        }
    }

    fn perform_for_ledger(&mut self, effect: Effect) {
        let files = names::file_queue(&job());
        let once = |world: &mut Self, once| world.order(ORIGINATOR, Order::Once(once));
        match effect {
            Effect::Publish(item) => self.queue_items(vec![item]),
            Effect::PublishBundle(items) => self.queue_items(items),
            Effect::DeclareFileQueue => once(self, Once::Declare(queue(files))),
            Effect::PurgeFileQueue | Effect::EmptyFileQueue => once(self, Once::Purge(files)),
            Effect::DeleteFileQueue => {
                once(self, Once::Delete(files));
                let posted = Posted {
                    tag: NO_TAG,
                    to: To::Exchange(Exchange::Control),
                    body: Body::Over,
                };
                self.order(ORIGINATOR, Order::Publish(posted));
            }
            Effect::DeleteQueue(gone) => once(self, Once::Delete(gone)),
            Effect::Offer => self.post_offer(To::Exchange(Exchange::Jobs)),
            Effect::OfferTo(to) => self.post_offer(To::Queue(to)),
            Effect::WakeHost(queue) => self.post_to_manager(queue, Body::ItemWaits),
            Effect::SendAway(queue) => self.post_to_manager(queue, Body::Leave),
            Effect::SendSlotAway(queue, slot) => {
                self.post_to_manager(queue, Body::LeaveSlot(slot));
            }
            Effect::SendCancel => {
                let posted = Posted {
                    tag: NO_TAG,
                    to: To::Exchange(Exchange::Control),
                    body: Body::Cancel,
                };
                self.order(ORIGINATOR, Order::Publish(posted));
            }
            Effect::LookAtHosts(hosts) => self.soon(Due::LookAtHosts(hosts)),
            Effect::LookAtFileQueue => self.soon(Due::LookAtFiles {
                back: false,
                tries: 1,
            }),
            Effect::StartLocalListener => self.soon(Due::Listener(1)),
            Effect::Tell(_) => {}
            Effect::Done(ending) => self.job_is_done(ending),
        }
    }

    fn job_is_done(&mut self, ending: Ending) {
        let gone = ending == Ending::BrokerGone;
        let limit = if ending == Ending::Cancelled {
            Duration::from_secs(1)
        } else {
            LOCAL_END_LIMIT
        };
        self.truth.able_at_end = self.able_hosts(WAIT_LIMIT);
        self.originator.ended = Some((ending, self.now));
        if self.plan.local {
            let listeners: Vec<_> = self.listeners.keys().copied().collect();
            for pid in listeners {
                self.tell_host(pid, gorgon_listener::host::Event::InputEnded);
            }
            return self.later(limit, Due::EndLocal);
        }
        for name in [
            names::file_queue(&job()),
            names::reply_queue(&job()),
            names::originator_queue(&job()),
            names::mark_queue(&job()),
        ] {
            self.order(ORIGINATOR, Order::Once(Once::Delete(name)));
        }
        self.close_within(ORIGINATOR, if gone { Duration::ZERO } else { CLOSE_LIMIT });
    }

    /// With its originator the local broker ends, and what has not ended is killed.
    pub(super) fn end_local(&mut self) {
        for pid in self.listeners.keys().copied().collect::<Vec<_>>() {
            self.kill_listener(pid);
        }
        self.close(ORIGINATOR);
    }
}

fn words(reply: &gorgon_proto::message::Reply) -> String {
    format!("{reply:?}").chars().take(180).collect()
}

fn short(effect: &Effect) -> String {
    format!("{effect:?}").chars().take(180).collect()
}
