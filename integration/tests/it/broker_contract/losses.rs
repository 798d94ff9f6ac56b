//! Connections that break, and networks that fall silent.

use super::{Broker, LIMIT, delivery, fill, next, open, ready, until, until_down, until_up};
use gorgon_broker::{Consume, Declare, Event, Patience, Publish, Session, Setup, Target};
use integration::proxy::Proxy;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// The same broker behind a network that can be cut, with the shortest heartbeat.
fn behind(proxy: &Proxy, broker: &Broker) -> Target {
    Target {
        port: proxy.port(),
        heartbeat: Duration::from_secs(1),
        ..broker.target.clone()
    }
}

fn work() -> Vec<Declare> {
    vec![Declare::queue("work")]
}

pub(crate) fn a_cut_connection_comes_back_and_publishes_again(broker: &Broker) {
    let proxy = Proxy::to(broker.target.port);
    let session = open(&behind(&proxy, broker), work(), vec![]);
    fill(&session, "work", 10);
    // These leave us, and their confirms do not come.
    proxy.freeze();
    for tag in 11..=20 {
        session.publish(Publish::to_queue("work", tag.to_string(), tag));
    }
    assert!(!session.flush(Duration::from_millis(50)));
    proxy.cut();
    proxy.thaw();
    until_down(&session);
    let mut open: BTreeSet<u64> = (11..=20).collect();
    while !open.is_empty() {
        until(&session, |event| match event {
            Event::Confirmed { tag } => open.remove(tag).then_some(()),
            _ => None,
        });
    }
    assert!(ready(broker, "work").unwrap() >= 20);
}

pub(crate) fn queues_are_declared_and_consumed_again(broker: &Broker) {
    let proxy = Proxy::to(broker.target.port);
    let own = || Declare::exclusive_queue("own");
    let target = behind(&proxy, broker);
    let session = open(&target, vec![own()], vec![Consume::one("own")]);
    session.declare(vec![
        Declare::fanout("all"),
        Declare::bind("own", "all", ""),
    ]);
    session.publish(Publish::to_queue("own", "a", 1));
    until(&session, |event| {
        matches!(event, Event::Delivery(_)).then_some(())
    });
    // What is not confirmed would be published again, and come first.
    assert!(session.flush(Duration::from_secs(10)));
    proxy.cut();
    until_down(&session);
    until_up(&session);
    // The queue went with its connection, and the binding with the queue: both are there again.
    session.publish(Publish::to_exchange("all", "", "b", 2));
    let again = until(&session, |event| match event {
        Event::Delivery(delivery) => Some(delivery.clone()),
        _ => None,
    });
    assert_eq!(again.body, b"b");
}

pub(crate) fn a_silent_broker_is_noticed(broker: &Broker) {
    let proxy = Proxy::to(broker.target.port);
    let session = open(&behind(&proxy, broker), work(), vec![]);
    proxy.freeze();
    until_down(&session);
    proxy.cut();
    proxy.thaw();
    until_up(&session);
    fill(&session, "work", 1);
}

pub(crate) fn a_silent_client_loses_its_item(broker: &Broker) {
    let proxy = Proxy::to(broker.target.port);
    let first = open(&behind(&proxy, broker), work(), vec![]);
    fill(&first, "work", 1);
    first.consume(Consume::one("work"));
    delivery(&first);
    let second = open(&broker.target, work(), vec![Consume::one("work")]);
    proxy.freeze();
    assert!(delivery(&second).redelivered);
}

pub(crate) fn a_token_of_a_lost_connection_does_nothing(broker: &Broker) {
    let proxy = Proxy::to(broker.target.port);
    let session = open(&behind(&proxy, broker), work(), vec![]);
    fill(&session, "work", 1);
    session.consume(Consume::one("work"));
    let lost = delivery(&session);
    proxy.cut();
    until_up(&session);
    let again = delivery(&session);
    assert!(again.redelivered);
    session.ack(lost.token);
    assert!(session.flush(LIMIT));
    assert!(session.events().is_empty());
    session.ack(again.token);
    session.close(LIMIT);
    assert_eq!(ready(broker, "work"), Some(0));
}

pub(crate) fn nothing_blocks_while_the_network_is_frozen(broker: &Broker) {
    let proxy = Proxy::to(broker.target.port);
    let consume = || vec![Consume::one("work")];
    // No silence is noticed meanwhile: whatever blocked would do so for its whole limit.
    let target = Target {
        heartbeat: Duration::from_secs(60),
        ..behind(&proxy, broker)
    };
    let sessions = [0, 1].map(|_| open(&target, work(), consume()));
    proxy.freeze();
    let start = Instant::now();
    for session in &sessions {
        session.stop_consuming("work");
        session.declare(vec![Declare::queue("more")]);
        for tag in 1..=5_000 {
            session.publish(Publish::to_queue("work", vec![0; 1_000], tag));
        }
        session.delete_queue("more");
        assert!(!session.flush(Duration::from_millis(10)));
    }
    let [closed, dropped] = sessions;
    closed.close(Duration::from_millis(300));
    drop(dropped);
    let look = gorgon_broker::look_at_queue(&target, "work", Duration::from_millis(300));
    assert!(look.is_err());
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
}

pub(crate) fn patience_ends(broker: &Broker) {
    let proxy = Proxy::to(broker.target.port);
    let setup = Setup {
        declare: work(),
        ..Setup::default()
    };
    let target = behind(&proxy, broker);
    let patience = Patience::Limit(Duration::from_millis(1_500));
    let session = Session::open(&target, setup, patience).unwrap();
    assert_eq!(next(&session), Event::Up);
    drop(proxy);
    until(&session, |event| match event {
        Event::GaveUp { cause } => Some(cause.clone()),
        Event::Down { .. } => None,
        other => panic!("{other:?}"),
    });
    assert!(session.events().recv_timeout(LIMIT).is_err());
}
