//! Who gets a message, how often, and who holds it.

use super::{Broker, LIMIT, delivery, fill, next, ready, wait_until};
use gorgon_broker::{Consume, Declare, Event, Publish};
use std::collections::BTreeSet;

fn work() -> Vec<Declare> {
    vec![Declare::queue("work")]
}

pub(crate) fn an_item_of_a_dropped_connection_is_delivered_again_and_flagged(broker: &Broker) {
    let first = broker.open(work(), vec![Consume::one("work")]);
    first.publish(Publish::to_queue("work", "a", 1));
    let mut held = None;
    for _ in 0..2 {
        match next(&first) {
            Event::Delivery(delivery) => held = Some(delivery),
            other => assert_eq!(other, Event::Confirmed { tag: 1 }),
        }
    }
    let held = held.unwrap();
    assert!(!held.redelivered);
    drop(first);
    let second = broker.open(work(), vec![Consume::one("work")]);
    let again = delivery(&second);
    assert!(again.redelivered);
    assert_eq!(
        (&again.body, &again.message_id),
        (&held.body, &held.message_id)
    );
    second.ack(again.token);
    second.close(LIMIT);
    assert_eq!(ready(broker, "work"), Some(0));
}

pub(crate) fn an_item_of_a_closed_session_is_delivered_again(broker: &Broker) {
    let first = broker.open(work(), vec![]);
    fill(&first, "work", 1);
    first.consume(Consume::one("work"));
    assert!(!delivery(&first).redelivered);
    first.close(LIMIT);
    wait_until("given back", || ready(broker, "work") == Some(1));
    let second = broker.open(work(), vec![Consume::one("work")]);
    assert!(delivery(&second).redelivered);
}

pub(crate) fn a_prefetch_of_one_holds_one(broker: &Broker) {
    let session = broker.open(work(), vec![]);
    fill(&session, "work", 3);
    session.consume(Consume::one("work"));
    for body in ["1", "2", "3"] {
        let held = delivery(&session);
        assert_eq!(held.body, body.as_bytes());
        let left = 3 - body.parse::<u32>().unwrap();
        assert_eq!(ready(broker, "work"), Some(left));
        assert!(session.events().is_empty());
        session.ack(held.token);
    }
}

pub(crate) fn a_larger_prefetch_holds_so_many(broker: &Broker) {
    let session = broker.open(work(), vec![]);
    fill(&session, "work", 50);
    session.consume(Consume::many("work", 20));
    let held: Vec<_> = (0..20).map(|_| delivery(&session)).collect();
    assert_eq!(ready(broker, "work"), Some(30));
    assert!(session.events().is_empty());
    // In another order than they came.
    for one in held.iter().rev() {
        session.ack(one.token);
    }
    for _ in 0..20 {
        session.ack(delivery(&session).token);
    }
    for _ in 0..10 {
        session.ack(delivery(&session).token);
    }
    session.close(LIMIT);
    assert_eq!(ready(broker, "work"), Some(0));
}

pub(crate) fn who_stops_consuming_takes_no_more(broker: &Broker) {
    let session = broker.open(work(), vec![]);
    fill(&session, "work", 3);
    session.consume(Consume::one("work"));
    let last = delivery(&session);
    session.stop_consuming("work");
    let queue = "work".to_owned();
    assert_eq!(next(&session), Event::Drained { queue });
    session.ack(last.token);
    session.close(LIMIT);
    assert_eq!(ready(broker, "work"), Some(2));
}

pub(crate) fn what_was_under_way_comes_before_drained(broker: &Broker) {
    let session = broker.open(work(), vec![]);
    fill(&session, "work", 100);
    session.consume(Consume::many("work", 100));
    session.stop_consuming("work");
    let mut held = BTreeSet::new();
    loop {
        match next(&session) {
            Event::Delivery(delivery) => assert!(held.insert(delivery.body)),
            other => {
                let queue = "work".to_owned();
                assert_eq!(other, Event::Drained { queue });
                break;
            }
        }
    }
    // What was delivered and not acknowledged is neither lost nor given back.
    let left = ready(broker, "work").unwrap() as usize;
    assert_eq!(left + held.len(), 100);
    session.close(LIMIT);
    wait_until("given back", || ready(broker, "work") == Some(100));
}

pub(crate) fn acknowledging_twice_or_late_does_nothing(broker: &Broker) {
    let session = broker.open(work(), vec![]);
    fill(&session, "work", 2);
    session.consume(Consume::one("work"));
    let first = delivery(&session);
    session.ack(first.token);
    session.ack(first.token);
    let second = delivery(&session);
    session.ack(first.token);
    session.delete_queue("work");
    let (queue, missing) = ("work".to_owned(), false);
    assert_eq!(next(&session), Event::ConsumerEnded { queue, missing });
    // Its queue is gone.
    session.ack(second.token);
    session.declare(work());
    session.publish(Publish::to_queue("work", "x", 9));
    assert_eq!(next(&session), Event::Confirmed { tag: 9 });
    assert!(session.events().is_empty());
}

pub(crate) fn a_queue_consumed_again_delivers_again(broker: &Broker) {
    let session = broker.open(work(), vec![]);
    for round in 1..=50 {
        session.consume(Consume::one("work"));
        session.publish(Publish::to_queue("work", "x", round));
        for _ in 0..2 {
            match next(&session) {
                Event::Delivery(delivery) => session.ack(delivery.token),
                other => assert_eq!(other, Event::Confirmed { tag: round }),
            }
        }
        session.stop_consuming("work");
        let queue = "work".to_owned();
        assert_eq!(next(&session), Event::Drained { queue });
    }
}

pub(crate) fn consuming_again_before_the_last_is_drained(broker: &Broker) {
    let session = broker.open(work(), vec![]);
    fill(&session, "work", 200);
    session.consume(Consume::many("work", 50));
    let mut seen = BTreeSet::new();
    for _ in 0..10 {
        session.stop_consuming("work");
        session.consume(Consume::many("work", 50));
    }
    while seen.len() < 200 {
        match next(&session) {
            Event::Delivery(delivery) => {
                assert!(seen.insert(delivery.body));
                session.ack(delivery.token);
            }
            other => assert!(matches!(other, Event::Drained { .. }), "{other:?}"),
        }
    }
}

pub(crate) fn a_queue_that_is_deleted_by_others_again_and_again(broker: &Broker) {
    let (session, other) = (broker.open(vec![], vec![]), broker.open(vec![], vec![]));
    // More often than a session keeps consumers that have ended.
    for round in 1..=40 {
        session.declare(work());
        session.consume(Consume::one("work"));
        session.publish(Publish::to_queue("work", "x", round));
        for _ in 0..2 {
            match next(&session) {
                Event::Delivery(delivery) => session.ack(delivery.token),
                other => assert_eq!(other, Event::Confirmed { tag: round }),
            }
        }
        other.delete_queue("work");
        let (queue, missing) = ("work".to_owned(), false);
        assert_eq!(next(&session), Event::ConsumerEnded { queue, missing });
    }
}
