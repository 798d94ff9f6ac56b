//! Messages on their way to the broker.

use super::{Broker, LIMIT, delivery, next, open, ready, until};
use gorgon_broker::{Connections, Consume, Declare, Event, Patience, Publish, Session, Setup};
use std::collections::{BTreeMap, BTreeSet};

fn work() -> Vec<Declare> {
    vec![Declare::queue("work")]
}

pub(crate) fn every_message_is_confirmed_once(broker: &Broker) {
    let session = broker.open(work(), vec![]);
    let count = 5_000;
    for tag in 0..count {
        session.publish(Publish::to_queue("work", "x", tag));
    }
    let mut open: BTreeSet<u64> = (0..count).collect();
    while !open.is_empty() {
        match next(&session) {
            Event::Confirmed { tag } => assert!(open.remove(&tag), "{tag} twice"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(u64::from(ready(broker, "work").unwrap()), count);
}

pub(crate) fn order_is_kept(broker: &Broker) {
    let session = broker.open(work(), vec![]);
    super::fill(&session, "work", 2_000);
    session.consume(Consume::many("work", 500));
    for expected in 1..=2_000 {
        let one = delivery(&session);
        assert_eq!(one.body, expected.to_string().into_bytes());
        session.ack(one.token);
    }
}

pub(crate) fn a_mandatory_message_without_a_queue_is_unroutable(broker: &Broker) {
    let session = broker.open(work(), vec![]);
    session.publish(Publish::to_queue("nowhere", "x", 1));
    session.publish(Publish::to_queue("work", "x", 2));
    session.publish(Publish {
        mandatory: false,
        ..Publish::to_queue("nowhere", "x", 3)
    });
    session.publish(Publish::to_queue("nowhere", "x", 4));
    let mut ends = BTreeMap::new();
    for _ in 0..4 {
        match next(&session) {
            Event::Confirmed { tag } => ends.insert(tag, "confirmed"),
            Event::Unroutable { tag } => ends.insert(tag, "unroutable"),
            other => panic!("{other:?}"),
        };
    }
    let expected = [
        (1, "unroutable"),
        (2, "confirmed"),
        (3, "confirmed"),
        (4, "unroutable"),
    ];
    assert_eq!(ends, BTreeMap::from(expected));
}

pub(crate) fn a_message_to_a_missing_exchange_is_unroutable_and_the_rest_arrives(broker: &Broker) {
    let session = broker.open(work(), vec![]);
    session.publish(Publish::to_queue("work", "a", 1));
    session.publish(Publish::to_exchange("nowhere", "", "b", 2));
    session.publish(Publish::to_queue("work", "c", 3));
    let mut open = BTreeSet::from([1, 2, 3]);
    while !open.is_empty() {
        until(&session, |event| match event {
            Event::Confirmed { tag: tag @ (1 | 3) } | Event::Unroutable { tag: tag @ 2 } => {
                open.remove(tag).then_some(())
            }
            Event::Up | Event::Down { .. } => None,
            other => panic!("{other:?}"),
        });
    }
    // At least once: the broker may have had the first before it closed the channel.
    assert!(ready(broker, "work").unwrap() >= 2);
}

pub(crate) fn a_message_larger_than_any_broker_takes_is_told_at_once(broker: &Broker) {
    let session = broker.open(work(), vec![]);
    let body = vec![0; Publish::LIMIT_BYTES + 1];
    session.publish(Publish::to_queue("work", body, 1));
    session.publish(Publish::to_queue("work", "x", 2));
    assert_eq!(next(&session), Event::TooLarge { tag: 1 });
    assert_eq!(next(&session), Event::Confirmed { tag: 2 });
}

pub(crate) fn messages_of_every_size_arrive_unchanged(broker: &Broker) {
    let session = broker.open(work(), vec![]);
    // Around the size of a frame (131,072 with 8 bytes around it) things go wrong, if they do.
    for (tag, size) in [0, 1, 131_063, 131_064, 131_065, 1 << 20, 12 << 20]
        .into_iter()
        .enumerate()
    {
        let tag = tag as u64;
        let body: Vec<u8> = (0..size)
            .map(|nth: usize| (nth / 251 + nth) as u8)
            .collect();
        session.publish(Publish::to_queue("work", body.clone(), tag));
        assert_eq!(next(&session), Event::Confirmed { tag });
        session.consume(Consume::one("work"));
        let one = delivery(&session);
        assert!(one.body == body, "{size} bytes");
        session.ack(one.token);
        session.stop_consuming("work");
        assert!(matches!(next(&session), Event::Drained { .. }));
    }
}

pub(crate) fn headers_arrive(broker: &Broker) {
    let session = broker.open(work(), vec![Consume::one("work")]);
    let headers = BTreeMap::from([
        ("signature".to_owned(), "abc".to_owned()),
        ("empty".to_owned(), String::new()),
        ("umlaut".to_owned(), "ä\n☃".to_owned()),
    ]);
    session.publish(Publish {
        headers: headers.clone(),
        ..Publish::to_queue("work", "x", 1)
    });
    let held = until(&session, |event| match event {
        Event::Delivery(delivery) => Some(delivery.clone()),
        _ => None,
    });
    assert_eq!(held.headers, headers);
    assert_eq!(held.queue, "work");
    assert!(held.message_id.is_some());
}

pub(crate) fn one_connection_carries_all(broker: &Broker) {
    let setup = Setup {
        role: "worker".to_owned(),
        declare: work(),
        consume: vec![Consume::one("work")],
        connections: Connections::One,
        ..Setup::default()
    };
    let session = Session::open(&broker.target, setup, Patience::Forever).unwrap();
    assert_eq!(next(&session), Event::Up);
    assert!(session.local_address().unwrap().is_loopback());
    for tag in 1..=200 {
        session.publish(Publish::to_queue("work", "x", tag));
        for _ in 0..2 {
            match next(&session) {
                Event::Delivery(delivery) => session.ack(delivery.token),
                other => assert_eq!(other, Event::Confirmed { tag }),
            }
        }
    }
    session.close(LIMIT);
    assert_eq!(ready(broker, "work"), Some(0));
}

pub(crate) fn closing_publishes_what_is_left(broker: &Broker) {
    for _ in 0..20 {
        let session = open(&broker.target, work(), vec![]);
        for tag in 1..=50 {
            session.publish(Publish::to_queue("work", "x", tag));
        }
        session.close(LIMIT);
    }
    assert_eq!(ready(broker, "work"), Some(1_000));
}
