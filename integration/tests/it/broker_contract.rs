//! One set of checks for both brokers: where they differ, RabbitMQ is right.

mod deliveries;
mod losses;
mod publishing;
mod refusals;
mod topology;

use gorgon_broker::{Consume, Declare, Delivery, Event, Patience, Publish, Session, Setup, Target};
use gorgon_local_broker::LocalBroker;
use integration::rabbit;
use std::time::{Duration, Instant};

/// For anything that is to happen.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// Runs each check against each broker.
macro_rules! contract {
    ($($module:ident: $($check:ident)*;)*) => {
        mod local {
            $($(#[test] fn $check() { super::with_local_broker(super::$module::$check); })*)*
        }
        mod rabbitmq {
            $($(#[test] fn $check() { super::with_rabbitmq(super::$module::$check); })*)*
        }
    };
}

contract! {
    deliveries:
        an_item_of_a_dropped_connection_is_delivered_again_and_flagged
        an_item_of_a_closed_session_is_delivered_again
        a_prefetch_of_one_holds_one
        a_larger_prefetch_holds_so_many
        who_stops_consuming_takes_no_more
        what_was_under_way_comes_before_drained
        acknowledging_twice_or_late_does_nothing
        a_queue_consumed_again_delivers_again
        a_queue_that_is_deleted_by_others_again_and_again
        consuming_again_before_the_last_is_drained;
    publishing:
        every_message_is_confirmed_once
        order_is_kept
        a_mandatory_message_without_a_queue_is_unroutable
        a_message_to_a_missing_exchange_is_unroutable_and_the_rest_arrives
        a_message_larger_than_any_broker_takes_is_told_at_once
        messages_of_every_size_arrive_unchanged
        headers_arrive
        one_connection_carries_all
        closing_publishes_what_is_left;
    topology:
        a_fanout_exchange_reaches_every_queue
        a_direct_exchange_reaches_the_key_alone
        a_missing_queue_looks_missing
        a_look_counts_messages_and_consumers
        a_purge_removes_what_is_ready
        purging_and_deleting_what_is_missing_harms_nothing
        a_deleted_queue_ends_its_consumers
        consuming_a_missing_queue_is_told
        an_unused_queue_expires_and_a_consumed_one_does_not
        an_exclusive_queue_goes_with_its_connection
        an_auto_deleted_queue_goes_with_its_consumer;
    refusals:
        a_wrong_password_is_named
        a_wrong_virtual_host_is_named
        a_queue_of_other_properties_is_refused;
    losses:
        a_cut_connection_comes_back_and_publishes_again
        queues_are_declared_and_consumed_again
        a_silent_broker_is_noticed
        a_silent_client_loses_its_item
        a_token_of_a_lost_connection_does_nothing
        nothing_blocks_while_the_network_is_frozen
        patience_ends;
}

/// A broker, and how to reach it.
pub(crate) struct Broker {
    pub(crate) target: Target,
}

impl Broker {
    pub(crate) fn open(&self, declare: Vec<Declare>, consume: Vec<Consume>) -> Session {
        open(&self.target, declare, consume)
    }
}

fn with_local_broker(check: fn(&Broker)) {
    let broker = LocalBroker::start().unwrap();
    check(&Broker {
        target: Target {
            port: broker.port(),
            user: broker.user().to_owned(),
            password: broker.password().to_owned(),
            ..Target::default()
        },
    });
}

fn with_rabbitmq(check: fn(&Broker)) {
    let vhost = rabbit::shared().vhost();
    check(&Broker {
        target: vhost.target(),
    });
}

/// Opens a session and takes its first event.
pub(crate) fn open(target: &Target, declare: Vec<Declare>, consume: Vec<Consume>) -> Session {
    let setup = Setup {
        role: "test".to_owned(),
        declare,
        consume,
        ..Setup::default()
    };
    let session = Session::open(target, setup, Patience::Forever).unwrap();
    assert_eq!(next(&session), Event::Up);
    session
}

/// Returns the next event.
pub(crate) fn next(session: &Session) -> Event {
    session.events().recv_timeout(LIMIT).expect("an event")
}

/// Returns the next event, which is a delivery.
pub(crate) fn delivery(session: &Session) -> Delivery {
    match next(session) {
        Event::Delivery(delivery) => delivery,
        other => panic!("not a delivery: {other:?}"),
    }
}

/// Waits for an event; what comes before is passed over.
pub(crate) fn until<T>(session: &Session, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    let mut seen = Vec::new();
    loop {
        let Ok(event) = session.events().recv_deadline(deadline) else {
            panic!("not what was waited for: {seen:?}");
        };
        if let Some(found) = wanted(&event) {
            return found;
        }
        seen.push(event);
    }
}

pub(crate) fn until_up(session: &Session) {
    until(session, |event| (*event == Event::Up).then_some(()));
}

pub(crate) fn until_down(session: &Session) -> String {
    until(session, |event| match event {
        Event::Down { cause, .. } => Some(cause.clone()),
        _ => None,
    })
}

/// Puts messages `1 2 3 …` into a queue, and takes their confirms.
pub(crate) fn fill(session: &Session, queue: &str, count: u64) {
    for tag in 1..=count {
        session.publish(Publish::to_queue(queue, tag.to_string(), tag));
    }
    assert!(session.flush(LIMIT));
    for _ in 0..count {
        assert!(matches!(next(session), Event::Confirmed { .. }));
    }
}

/// Looks again and again until it is so. Each look is a connection of its own, so this is no spin.
pub(crate) fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !so() {
        assert!(Instant::now() < deadline, "{what}: not within {LIMIT:?}");
    }
}

/// Returns how many messages are ready in a queue.
pub(crate) fn ready(broker: &Broker, queue: &str) -> Option<u32> {
    gorgon_broker::look_at_queue(&broker.target, queue, LIMIT)
        .unwrap()
        .map(|state| state.messages)
}
