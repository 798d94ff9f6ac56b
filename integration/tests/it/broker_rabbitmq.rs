//! What only a RabbitMQ of one's own can be made to do: restart, die, freeze, starve, speak TLS.

use crate::broker_contract::{
    LIMIT, delivery, fill, next, open, until, until_down, until_up, wait_until,
};
use gorgon_broker::{
    Consume, Declare, Event, OpenError, Patience, Publish, Session, Setup, Target, Tls,
};
use gorgon_process::exit::Hint;
use integration::rabbit::{Options, RabbitMq};
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A node that these tests disturb, one after the other.
fn disturbed() -> MutexGuard<'static, Option<RabbitMq>> {
    static NODE: Mutex<Option<RabbitMq>> = Mutex::new(None);
    let mut node = NODE.lock().unwrap_or_else(PoisonError::into_inner);
    node.get_or_insert_with(|| {
        RabbitMq::start_with(&Options {
            tls: true,
            ..Options::default()
        })
    });
    node
}

/// Runs a check on a virtual host of the disturbed node. When it fails the node is not used again.
fn on_disturbed(check: impl FnOnce(&RabbitMq, Target) + std::panic::UnwindSafe) {
    let mut slot = disturbed();
    let node = slot.take().unwrap();
    let (name, target) = {
        let vhost = node.vhost();
        (vhost.name().to_owned(), vhost.target())
    };
    // Made anew: the guard above has removed it, and cannot live through a restart.
    node.add_vhost(&name);
    let target = Target {
        heartbeat: Duration::from_secs(1),
        ..target
    };
    check(&node, target);
    *slot = Some(node);
}

fn work() -> Vec<Declare> {
    vec![Declare::expiring_queue("work", Duration::from_secs(600))]
}

/// Publishes while the broker is away, and sees that all arrives.
fn survives(target: &Target, session: &Session) {
    let observer = open(target, work(), vec![Consume::many("work", 100)]);
    let mut unconfirmed: BTreeSet<u64> = (100..150).collect();
    while !unconfirmed.is_empty() {
        until(session, |event| match event {
            Event::Confirmed { tag } => unconfirmed.remove(tag).then_some(()),
            _ => None,
        });
    }
    let mut missing: BTreeSet<Vec<u8>> = (100..150u64)
        .map(|tag| tag.to_string().into_bytes())
        .collect();
    while !missing.is_empty() {
        let one = delivery(&observer);
        missing.remove(&one.body);
        observer.ack(one.token);
    }
}

fn publish_fifty(session: &Session) {
    for tag in 100..150 {
        session.publish(Publish::to_queue("work", tag.to_string(), tag));
    }
}

#[test]
fn a_restart_of_the_broker_loses_no_message() {
    on_disturbed(|node, target| {
        let session = open(&target, work(), vec![]);
        fill(&session, "work", 10);
        node.stop();
        let cause = until_down(&session);
        assert!(cause.contains("320"), "{cause}");
        publish_fifty(&session);
        node.start_again();
        survives(&target, &session);
    });
}

#[test]
fn a_killed_broker_loses_no_message() {
    on_disturbed(|node, target| {
        let session = open(&target, work(), vec![]);
        node.kill_9();
        until_down(&session);
        publish_fifty(&session);
        node.start_again();
        survives(&target, &session);
    });
}

#[test]
fn a_frozen_broker_is_noticed_and_comes_back() {
    on_disturbed(|node, target| {
        let session = open(&target, work(), vec![]);
        node.freeze();
        publish_fifty(&session);
        let cause = until_down(&session);
        node.thaw();
        assert!(cause.contains("silent"), "{cause}");
        survives(&target, &session);
    });
}

#[test]
fn a_frozen_broker_hangs_nobody() {
    on_disturbed(|node, target| {
        // No silence is noticed meanwhile: whatever hung would do so for its whole limit.
        let target = Target {
            heartbeat: Duration::from_secs(60),
            ..target
        };
        let sessions = [0, 1].map(|_| open(&target, work(), vec![Consume::one("work")]));
        node.freeze();
        let start = Instant::now();
        let [closed, dropped] = sessions;
        closed.close(Duration::from_millis(300));
        drop(dropped);
        let took = start.elapsed();
        node.thaw();
        assert!(took < Duration::from_secs(10), "{took:?}");
    });
}

#[test]
fn under_a_memory_alarm_consuming_goes_on_and_publishing_waits() {
    on_disturbed(|node, target| {
        let session = open(&target, work(), vec![]);
        fill(&session, "work", 200);
        node.memory_alarm(true);
        session.publish(Publish::to_queue("work", "first", 1_000));
        until(&session, |event| {
            matches!(event, Event::Blocked { .. }).then_some(())
        });
        // More than the client would buffer before it blocks for ever.
        for tag in 1_001..=1_400 {
            session.publish(Publish::to_queue("work", vec![0; 64 << 10], tag));
        }
        session.consume(Consume::one("work"));
        for expected in 1..=200 {
            let one = delivery(&session);
            assert_eq!(one.body, expected.to_string().into_bytes());
            session.ack(one.token);
        }
        assert!(!session.flush(Duration::from_millis(100)));
        session.stop_consuming("work");
        until(&session, |event| {
            matches!(event, Event::Drained { .. }).then_some(())
        });
        node.memory_alarm(false);
        until(&session, |event| (*event == Event::Unblocked).then_some(()));
        assert!(session.flush(LIMIT));
    });
}

#[test]
fn a_session_closes_in_time_under_a_memory_alarm() {
    on_disturbed(|node, target| {
        let session = open(&target, work(), vec![]);
        node.memory_alarm(true);
        for tag in 0..400 {
            session.publish(Publish::to_queue("work", vec![0; 64 << 10], tag));
        }
        until(&session, |event| {
            matches!(event, Event::Blocked { .. }).then_some(())
        });
        let start = Instant::now();
        session.close(Duration::from_millis(500));
        let took = start.elapsed();
        node.memory_alarm(false);
        // Without its limit it would wait for the alarm's end.
        assert!(took < Duration::from_secs(10), "{took:?}");
    });
}

#[test]
fn an_item_held_too_long_costs_the_channel_and_comes_again() {
    on_disturbed(|node, target| {
        node.eval("application:set_env(rabbit, consumer_timeout, 500).");
        node.eval("application:set_env(rabbit, channel_tick_interval, 200).");
        let session = open(&target, work(), vec![]);
        fill(&session, "work", 1);
        session.consume(Consume::one("work"));
        let held = delivery(&session);
        let cause = until_down(&session);
        assert!(cause.contains("406"), "{cause}");
        node.eval("application:set_env(rabbit, consumer_timeout, 604800000).");
        until_up(&session);
        session.ack(held.token);
        let again = delivery(&session);
        assert!(again.redelivered);
        session.ack(again.token);
        session.close(LIMIT);
        let left = gorgon_broker::look_at_queue(&target, "work", LIMIT).unwrap();
        assert_eq!(left.map(|state| state.messages), Some(0));
    });
}

#[test]
fn connections_closed_by_an_administrator_come_back_every_time() {
    on_disturbed(|node, target| {
        let sessions: Vec<Session> = (0..4)
            .map(|_| open(&target, work(), vec![Consume::one("work")]))
            .collect();
        for _ in 0..100 {
            node.close_connections();
        }
        for session in &sessions {
            session.publish(Publish::to_queue("work", "x", 7));
        }
        let mut held = 0;
        for session in &sessions {
            // The wait between attempts has grown; it ends all the same.
            until(session, |event| match event {
                Event::Delivery(delivery) => {
                    held += 1;
                    session.ack(delivery.token);
                    None
                }
                event => (*event == Event::Confirmed { tag: 7 }).then_some(()),
            });
        }
        for session in sessions {
            session.close(LIMIT);
        }
        assert!(held <= 4);
    });
}

#[test]
fn tls_with_a_client_certificate() {
    on_disturbed(|node, target| {
        let certificates = node.certificates();
        let tls = Tls {
            ca: Some(certificates.ca()),
            cert: Some(certificates.client_cert()),
            key: Some(certificates.client_key()),
            server_name: None,
        };
        let target = Target {
            port: node.tls_port(),
            heartbeat: Duration::from_secs(5),
            tls: Some(tls.clone()),
            ..target
        };
        let session = open(&target, work(), vec![Consume::one("work")]);
        session.publish(Publish::to_queue("work", vec![7; 10 << 20], 1));
        let one = until(&session, |event| match event {
            Event::Delivery(delivery) => Some(delivery.clone()),
            _ => None,
        });
        assert!(one.body == vec![7; 10 << 20]);
        session.ack(one.token);
        session.close(LIMIT);

        let refused = |tls: Tls, host: &str| {
            let target = Target {
                host: host.to_owned(),
                tls: Some(tls),
                ..target.clone()
            };
            let start = Instant::now();
            let error = Session::open(&target, Setup::default(), Patience::Forever).unwrap_err();
            assert!(start.elapsed() < target.limit, "{:?}", start.elapsed());
            error
        };
        // By address the certificate is good too.
        let named = Target {
            host: "localhost".to_owned(),
            ..target.clone()
        };
        drop(open(&named, vec![], vec![]));
        let other_name = Tls {
            server_name: Some("mq.example".to_owned()),
            ..tls.clone()
        };
        let no_certificate = Tls {
            cert: None,
            key: None,
            ..tls.clone()
        };
        let unknown_authority = Tls {
            ca: None,
            ..tls.clone()
        };
        for wrong in [other_name, no_certificate, unknown_authority] {
            let error = refused(wrong, "127.0.0.1");
            assert!(matches!(error, OpenError::Tls { .. }), "{error}");
        }
        let old_key = Tls {
            key: Some(certificates.file("client.sec1")),
            ..tls
        };
        let error = refused(old_key, "127.0.0.1");
        assert!(error.hint().unwrap().contains("openssl pkcs8"), "{error}");
        let plain = Target {
            tls: None,
            ..target.clone()
        };
        let error = Session::open(&plain, Setup::default(), Patience::Forever).unwrap_err();
        assert!(matches!(error, OpenError::Closed { .. }), "{error}");
    });
}

#[test]
fn a_node_tells_who_is_connected_and_leaves_nothing() {
    let node = RabbitMq::start();
    let session = open(&node.target(), work(), vec![]);
    assert_eq!(node.connections(), ["test", "test"]);
    assert_eq!(node.queues("/").len(), 1);
    session.close(LIMIT);
    wait_until("no connection is left", || node.connections().is_empty());
    let directory = node.directory().to_owned();
    assert!(directory.exists());
    drop(node);
    assert!(!directory.exists());
}

#[test]
fn a_listener_waits_for_a_broker_that_is_not_there_yet() {
    on_disturbed(|node, target| {
        node.stop();
        let setup = Setup {
            declare: work(),
            ..Setup::default()
        };
        let session = Session::open_patiently(&target, setup, Patience::Forever).unwrap();
        assert!(matches!(next(&session), Event::Down { .. }));
        node.start_again();
        until_up(&session);
    });
}

#[test]
fn a_message_larger_than_this_broker_takes_is_given_up_and_the_rest_arrives() {
    on_disturbed(|node, target| {
        node.max_message_size(1000);
        let session = open(&target, work(), vec![]);
        for (tag, bytes) in [(1, 10), (2, 2_000), (3, 20)] {
            session.publish(Publish::to_queue("work", vec![0; bytes], tag));
        }
        let mut open: BTreeSet<u64> = BTreeSet::from([1, 2, 3]);
        while !open.is_empty() {
            until(&session, |event| match event {
                Event::Confirmed { tag: tag @ (1 | 3) } | Event::TooLarge { tag: tag @ 2 } => {
                    open.remove(tag).then_some(())
                }
                Event::Up | Event::Down { .. } => None,
                other => panic!("{other:?}"),
            });
        }
        // It is known now, and costs no connection any more.
        session.publish(Publish::to_queue("work", vec![0; 1_001], 4));
        assert_eq!(next(&session), Event::TooLarge { tag: 4 });
        node.max_message_size(16 << 20);
    });
}
