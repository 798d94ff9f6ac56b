//! Exchanges, queues, and their ends.

use super::{Broker, LIMIT, delivery, fill, next, ready, until, wait_until};
use gorgon_broker::{Consume, Declare, Event, Publish, QueueState, look_at_queue};
use std::time::Duration;

fn ended(queue: &str, missing: bool) -> Event {
    let queue = queue.to_owned();
    Event::ConsumerEnded { queue, missing }
}

pub(crate) fn a_fanout_exchange_reaches_every_queue(broker: &Broker) {
    let declare = vec![
        Declare::fanout("all"),
        Declare::queue("a"),
        Declare::queue("b"),
        Declare::queue("c"),
        Declare::bind("a", "all", ""),
        Declare::bind("b", "all", "whatever"),
    ];
    let session = broker.open(declare, vec![]);
    session.publish(Publish::to_exchange("all", "", "x", 1));
    assert!(session.flush(LIMIT));
    let counts = ["a", "b", "c"].map(|queue| ready(broker, queue));
    assert_eq!(counts, [Some(1), Some(1), Some(0)]);
}

pub(crate) fn a_direct_exchange_reaches_the_key_alone(broker: &Broker) {
    let declare = vec![
        Declare::direct("control"),
        Declare::queue("a"),
        Declare::queue("b"),
        Declare::bind("a", "control", "job-1"),
        Declare::bind("b", "control", "job-2"),
        Declare::bind("b", "control", "job-3"),
    ];
    let session = broker.open(declare, vec![]);
    for (tag, key) in [(1, "job-1"), (2, "job-2"), (3, "job-3"), (4, "job-4")] {
        session.publish(Publish::to_exchange("control", key, key, tag));
    }
    assert!(session.flush(LIMIT));
    let counts = ["a", "b"].map(|queue| ready(broker, queue));
    assert_eq!(counts, [Some(1), Some(2)]);
}

pub(crate) fn a_missing_queue_looks_missing(broker: &Broker) {
    assert_eq!(
        look_at_queue(&broker.target, "nowhere", LIMIT).unwrap(),
        None
    );
}

pub(crate) fn a_look_counts_messages_and_consumers(broker: &Broker) {
    let look = || look_at_queue(&broker.target, "work", LIMIT).unwrap();
    let seen = |messages, consumers| {
        Some(QueueState {
            messages,
            consumers,
        })
    };
    let session = broker.open(vec![Declare::queue("work")], vec![]);
    assert_eq!(look(), seen(0, 0));
    fill(&session, "work", 3);
    assert_eq!(look(), seen(3, 0));
    session.consume(Consume::one("work"));
    let held = delivery(&session);
    // One is held, and does not count.
    assert_eq!(look(), seen(2, 1));
    session.ack(held.token);
    session.close(LIMIT);
    wait_until("no consumer is left", || look().unwrap().consumers == 0);
}

pub(crate) fn a_purge_removes_what_is_ready(broker: &Broker) {
    let session = broker.open(
        vec![Declare::queue("work"), Declare::exclusive_queue("own")],
        vec![],
    );
    fill(&session, "work", 5);
    fill(&session, "own", 5);
    session.consume(Consume::one("work"));
    let held = delivery(&session);
    session.purge("work");
    session.purge("own");
    wait_until("purged", || ready(broker, "work") == Some(0));
    session.ack(held.token);
    session.consume(Consume::one("own"));
    session.publish(Publish::to_queue("own", "after", 9));
    let after = until(&session, |event| match event {
        Event::Delivery(delivery) => Some(delivery.clone()),
        Event::Confirmed { tag: 9 } => None,
        other => panic!("{other:?}"),
    });
    assert_eq!(after.body, b"after");
}

pub(crate) fn purging_and_deleting_what_is_missing_harms_nothing(broker: &Broker) {
    let session = broker.open(vec![Declare::queue("work")], vec![Consume::one("work")]);
    session.purge("nowhere");
    session.delete_queue("nowhere");
    session.stop_consuming("nowhere");
    let queue = "nowhere".to_owned();
    assert_eq!(next(&session), Event::Drained { queue });
    session.publish(Publish::to_queue("work", "x", 1));
    for _ in 0..2 {
        match next(&session) {
            Event::Delivery(delivery) => assert_eq!(delivery.body, b"x"),
            other => assert_eq!(other, Event::Confirmed { tag: 1 }),
        }
    }
}

pub(crate) fn a_deleted_queue_ends_its_consumers(broker: &Broker) {
    let owner = broker.open(
        vec![Declare::queue("work"), Declare::queue("other")],
        vec![],
    );
    let consume = || vec![Consume::one("work"), Consume::one("other")];
    let workers = [
        broker.open(vec![], consume()),
        broker.open(vec![], consume()),
    ];
    owner.delete_queue("work");
    for worker in &workers {
        assert_eq!(next(worker), ended("work", false));
    }
    // The session and its other consumers live on.
    fill(&owner, "other", 2);
    for worker in &workers {
        assert_eq!(delivery(worker).queue, "other");
        assert!(worker.events().is_empty());
    }
    assert_eq!(ready(broker, "work"), None);
}

pub(crate) fn consuming_a_missing_queue_is_told(broker: &Broker) {
    let declare = || vec![Declare::queue("work")];
    // From the beginning …
    let session = broker.open(
        declare(),
        vec![Consume::one("nowhere"), Consume::one("work")],
    );
    assert_eq!(next(&session), ended("nowhere", true));
    // … and later, while an item is held.
    session.publish(Publish::to_queue("work", "x", 1));
    let held = until(&session, |event| match event {
        Event::Delivery(delivery) => Some(delivery.clone()),
        _ => None,
    });
    assert!(session.flush(LIMIT));
    session.consume(Consume::one("elsewhere"));
    until(&session, |event| {
        (*event == ended("elsewhere", true)).then_some(())
    });
    // The broker has closed the channel: what is held comes again.
    let again = until(&session, |event| match event {
        Event::Delivery(delivery) => Some(delivery.clone()),
        Event::Down { answered, .. } => {
            assert!(answered);
            None
        }
        _ => None,
    });
    assert!(again.redelivered);
    session.ack(held.token);
    session.ack(again.token);
    session.close(LIMIT);
    assert_eq!(ready(broker, "work"), Some(0));
}

pub(crate) fn an_unused_queue_expires_and_a_consumed_one_does_not(broker: &Broker) {
    // Within it the other one is to be consumed, also on a machine that is busy.
    let limit = Duration::from_secs(3);
    let declare = vec![
        Declare::expiring_queue("unused", limit),
        Declare::expiring_queue("consumed", limit),
    ];
    let session = broker.open(declare, vec![Consume::one("consumed")]);
    // Looking is a use to RabbitMQ, so it is looked at from outside: a message without a queue comes back. 4.3 may
    // take none while the queue goes; then the session connects and declares again, so this one declares nothing.
    let other = broker.open(vec![], vec![]);
    let mut sent = 0;
    wait_until("expired", || {
        sent += 1;
        other.publish(Publish::to_queue("unused", "x", sent));
        until(&other, |event| match event {
            Event::Unroutable { tag } if *tag == sent => Some(true),
            Event::Confirmed { tag } if *tag == sent => Some(false),
            _ => None,
        })
    });
    assert_eq!(ready(broker, "consumed"), Some(0));
    session.publish(Publish::to_queue("consumed", "x", 0));
    until(&session, |event| {
        matches!(event, Event::Delivery(_)).then_some(())
    });
}

pub(crate) fn an_exclusive_queue_goes_with_its_connection(broker: &Broker) {
    let owner = broker.open(
        vec![Declare::exclusive_queue("own")],
        vec![Consume::one("own")],
    );
    let other = broker.open(vec![], vec![]);
    // Others may publish to it.
    other.publish(Publish::to_queue("own", "x", 1));
    assert_eq!(next(&other), Event::Confirmed { tag: 1 });
    assert_eq!(delivery(&owner).body, b"x");
    // It looks as if in use.
    let seen = look_at_queue(&broker.target, "own", LIMIT).unwrap();
    assert_eq!(seen.map(|state| state.consumers), Some(1));
    drop(owner);
    wait_until("gone", || {
        look_at_queue(&broker.target, "own", LIMIT)
            .unwrap()
            .is_none()
    });
}

pub(crate) fn an_auto_deleted_queue_goes_with_its_consumer(broker: &Broker) {
    let declare = vec![Declare::brief_queue("brief")];
    let session = broker.open(declare, vec![Consume::one("brief")]);
    assert_eq!(ready(broker, "brief"), Some(0));
    session.stop_consuming("brief");
    assert!(matches!(next(&session), Event::Drained { .. }));
    wait_until("gone", || ready(broker, "brief").is_none());
}
