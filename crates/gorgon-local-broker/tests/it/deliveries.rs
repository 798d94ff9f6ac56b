//! What is published arrives, in order, once, and comes back when it must.

use std::time::{Duration, Instant};

use amiquip::{
    AmqpProperties, AmqpValue, Channel, Confirm, ConsumerMessage, ConsumerOptions,
    ExchangeDeclareOptions, ExchangeType, FieldTable, Publish, Queue, QueueDeclareOptions,
    QueueDeleteOptions,
};
use gorgon_local_broker::LocalBroker;

use crate::client::{connect, durable, next, nothing_comes, text};

fn publish(channel: &Channel, key: &str, body: &str) {
    channel
        .basic_publish("", Publish::new(body.as_bytes(), key))
        .unwrap();
}

fn queue<'a>(channel: &'a Channel, name: &str) -> Queue<'a> {
    channel.queue_declare(name, durable()).unwrap()
}

#[test]
fn messages_arrive_in_order_with_their_properties() {
    let broker = LocalBroker::start().unwrap();
    let mut connection = connect(&broker);
    let channel = connection.open_channel(None).unwrap();
    let consumer = queue(&channel, "q")
        .consume(ConsumerOptions::default())
        .unwrap();
    let mut headers = FieldTable::new();
    headers.insert("signature".into(), AmqpValue::LongString("abc".into()));
    let properties = AmqpProperties::default()
        .with_message_id("7".into())
        .with_headers(headers);
    channel
        .basic_publish(
            "",
            Publish::with_properties(b"first", "q", properties.clone()),
        )
        .unwrap();
    publish(&channel, "q", "");
    publish(&channel, "q", "third");
    let first = next(&consumer);
    assert_eq!(
        (text(&first).as_str(), &first.properties, first.redelivered),
        ("first", &properties, false)
    );
    assert_eq!(text(&next(&consumer)), "");
    assert_eq!(text(&next(&consumer)), "third");
}

#[test]
fn prefetch_holds_back_until_the_ack() {
    let broker = LocalBroker::start().unwrap();
    let mut connection = connect(&broker);
    let channel = connection.open_channel(None).unwrap();
    channel.qos(0, 1, false).unwrap();
    let queue = queue(&channel, "q");
    let consumer = queue.consume(ConsumerOptions::default()).unwrap();
    for body in ["a", "b"] {
        publish(&channel, "q", body);
    }
    let first = next(&consumer);
    nothing_comes(&consumer);
    consumer.ack(first).unwrap();
    assert_eq!(text(&next(&consumer)), "b");
    assert_eq!(queue.declared_message_count(), Some(0));
}

#[test]
fn a_cancelled_consumer_keeps_what_it_holds_and_gets_no_more() {
    let broker = LocalBroker::start().unwrap();
    let mut connection = connect(&broker);
    let channel = connection.open_channel(None).unwrap();
    channel.qos(0, 1, false).unwrap();
    let declared = queue(&channel, "q");
    for body in ["a", "b", "c"] {
        publish(&channel, "q", body);
    }
    let consumer = declared.consume(ConsumerOptions::default()).unwrap();
    let first = next(&consumer);
    consumer.cancel().unwrap();
    assert_eq!(queue(&channel, "q").declared_message_count(), Some(2));
    first.ack(&channel).unwrap();
    assert_eq!(queue(&channel, "q").declared_message_count(), Some(2));
}

#[test]
fn what_a_lost_client_held_returns_to_its_place_marked() {
    let broker = LocalBroker::start().unwrap();
    let mut first = connect(&broker);
    let channel = first.open_channel(None).unwrap();
    channel.qos(0, 2, false).unwrap();
    let declared = queue(&channel, "q");
    for body in ["a", "b", "c"] {
        publish(&channel, "q", body);
    }
    let consumer = declared.consume(ConsumerOptions::default()).unwrap();
    assert_eq!(text(&next(&consumer)), "a");
    assert_eq!(text(&next(&consumer)), "b");
    drop((consumer, declared));
    drop(channel);
    first.close().unwrap();

    let mut second = connect(&broker);
    let channel = second.open_channel(None).unwrap();
    let consumer = queue(&channel, "q")
        .consume(ConsumerOptions::default())
        .unwrap();
    let seen: Vec<_> = (0..3)
        .map(|_| next(&consumer))
        .map(|d| (text(&d), d.redelivered))
        .collect();
    assert_eq!(
        seen,
        [("a".into(), true), ("b".into(), true), ("c".into(), false)]
    );
}

#[test]
fn a_rejected_message_returns_or_goes_as_asked() {
    let broker = LocalBroker::start().unwrap();
    let mut connection = connect(&broker);
    let channel = connection.open_channel(None).unwrap();
    channel.qos(0, 1, false).unwrap();
    let consumer = queue(&channel, "q")
        .consume(ConsumerOptions::default())
        .unwrap();
    publish(&channel, "q", "a");
    publish(&channel, "q", "b");
    next(&consumer).nack(&channel, true).unwrap();
    let again = next(&consumer);
    assert_eq!((text(&again).as_str(), again.redelivered), ("a", true));
    again.reject(&channel, false).unwrap();
    assert_eq!(text(&next(&consumer)), "b");
}

#[test]
fn consumers_take_turns() {
    let broker = LocalBroker::start().unwrap();
    let mut connection = connect(&broker);
    let channel = connection.open_channel(None).unwrap();
    let declared = queue(&channel, "q");
    let one = declared.consume(ConsumerOptions::default()).unwrap();
    let two = declared.consume(ConsumerOptions::default()).unwrap();
    for body in ["a", "b", "c", "d"] {
        publish(&channel, "q", body);
    }
    let take = |consumer| [text(&next(consumer)), text(&next(consumer))];
    let mut seen = [take(&one), take(&two)];
    seen.sort();
    assert_eq!(seen, [["a", "c"], ["b", "d"]]);
}

#[test]
fn a_fanout_reaches_every_queue_and_a_direct_exchange_the_bound_key() {
    let broker = LocalBroker::start().unwrap();
    let mut connection = connect(&broker);
    let channel = connection.open_channel(None).unwrap();
    let fanout = channel
        .exchange_declare(
            ExchangeType::Fanout,
            "jobs",
            ExchangeDeclareOptions::default(),
        )
        .unwrap();
    let direct = channel
        .exchange_declare(
            ExchangeType::Direct,
            "control",
            ExchangeDeclareOptions::default(),
        )
        .unwrap();
    let (one, two) = (queue(&channel, "one"), queue(&channel, "two"));
    for queue in [&one, &two, &two] {
        queue.bind(&fanout, "", FieldTable::new()).unwrap();
    }
    two.bind(&direct, "job-2", FieldTable::new()).unwrap();
    let (from_one, from_two) = (
        one.consume(ConsumerOptions::default()).unwrap(),
        two.consume(ConsumerOptions::default()).unwrap(),
    );
    fanout.publish(Publish::new(b"all", "ignored")).unwrap();
    direct.publish(Publish::new(b"nobody", "job-1")).unwrap();
    direct.publish(Publish::new(b"two", "job-2")).unwrap();
    assert_eq!(text(&next(&from_one)), "all");
    assert_eq!(text(&next(&from_two)), "all");
    assert_eq!(text(&next(&from_two)), "two");
    nothing_comes(&from_one);
}

#[test]
fn confirms_follow_every_publish_and_a_return_precedes_its_own() {
    let broker = LocalBroker::start().unwrap();
    let mut connection = connect(&broker);
    let channel = connection.open_channel(None).unwrap();
    queue(&channel, "q");
    channel.enable_publisher_confirms().unwrap();
    let confirms = channel.listen_for_publisher_confirms().unwrap();
    let returns = channel.listen_for_returns().unwrap();
    publish(&channel, "q", "a");
    let mut lost = Publish::new(b"lost", "nowhere");
    lost.mandatory = true;
    channel.basic_publish("", lost).unwrap();
    publish(&channel, "nowhere", "dropped in silence");
    let mut confirmed = 0;
    while confirmed < 3 {
        match confirms.recv_timeout(Duration::from_secs(30)).unwrap() {
            Confirm::Ack(payload) => confirmed = payload.delivery_tag,
            Confirm::Nack(payload) => panic!("nack of {}", payload.delivery_tag),
        }
        if confirmed >= 2 {
            // It was sent before the confirm, so it is here already.
            if let Ok(returned) = returns.try_recv() {
                assert_eq!(
                    (returned.reply_code, returned.content.as_slice()),
                    (312, b"lost".as_slice())
                );
            }
        }
    }
}

#[test]
fn a_deleted_queue_ends_its_consumers() {
    let broker = LocalBroker::start().unwrap();
    let (mut connection, mut other) = (connect(&broker), connect(&broker));
    let channel = connection.open_channel(None).unwrap();
    let consumer = queue(&channel, "q")
        .consume(ConsumerOptions::default())
        .unwrap();
    let deleting = other.open_channel(None).unwrap();
    publish(&deleting, "q", "a");
    let held = next(&consumer);
    deleting
        .queue_delete(
            "q",
            QueueDeleteOptions {
                if_unused: false,
                if_empty: false,
            },
        )
        .unwrap();
    match consumer.receiver().recv_timeout(Duration::from_secs(30)) {
        Ok(ConsumerMessage::ServerCancelled) => {}
        other => panic!("not told, but {other:?}"),
    }
    // The channel lives on, and what it held of the queue is still its to settle.
    consumer.ack(held).unwrap();
    assert_eq!(queue(&channel, "q").declared_message_count(), Some(0));
}

#[test]
fn an_unused_queue_expires_and_a_used_one_does_not() {
    let broker = LocalBroker::start().unwrap();
    let mut connection = connect(&broker);
    let channel = connection.open_channel(None).unwrap();
    let mut arguments = FieldTable::new();
    arguments.insert("x-expires".into(), AmqpValue::LongInt(300));
    let options = QueueDeclareOptions {
        arguments,
        ..durable()
    };
    let declared = channel.queue_declare("q", options).unwrap();
    let mut watcher = connect(&broker);
    let consumer = declared.consume(ConsumerOptions::default()).unwrap();
    nothing_comes(&consumer);
    nothing_comes(&consumer);
    nothing_comes(&consumer);
    nothing_comes(&consumer);
    drop(consumer);
    let from = Instant::now();
    // Publishing is no use, so it does not prolong the queue's life; that a publish is returned shows its end.
    let probe = watcher.open_channel(None).unwrap();
    let returns = probe.listen_for_returns().unwrap();
    loop {
        let mut publish = Publish::new(b"", "q");
        publish.mandatory = true;
        probe.basic_publish("", publish).unwrap();
        if returns.recv_timeout(Duration::from_millis(20)).is_ok() {
            break;
        }
        assert!(
            from.elapsed() < Duration::from_secs(30),
            "the queue is still there"
        );
    }
    assert!(
        from.elapsed() >= Duration::from_millis(250),
        "gone after {:?}",
        from.elapsed()
    );
}

#[test]
fn exclusive_and_auto_delete_queues_end_with_their_users() {
    let broker = LocalBroker::start().unwrap();
    let (mut connection, mut other) = (connect(&broker), connect(&broker));
    let channel = connection.open_channel(None).unwrap();
    let exclusive = QueueDeclareOptions {
        exclusive: true,
        ..QueueDeclareOptions::default()
    };
    channel.queue_declare("mine", exclusive).unwrap();
    let auto = QueueDeclareOptions {
        auto_delete: true,
        ..durable()
    };
    let consumer = channel
        .queue_declare("auto", auto)
        .unwrap()
        .consume(ConsumerOptions::default())
        .unwrap();
    let watcher = other.open_channel(None).unwrap();
    // Another connection may publish to an exclusive queue.
    publish(&watcher, "mine", "hello");
    drop(consumer);
    drop(channel);
    // amiquip's loop may end before it has told that the broker said close-ok.
    let _ = connection.close();
    for name in ["mine", "auto"] {
        let watcher = other.open_channel(None).unwrap();
        let error = watcher.queue_declare_passive(name).map(drop).unwrap_err();
        assert!(error.to_string().contains("404"), "{name}: {error}");
    }
}

#[test]
fn purge_counts_and_forgets_what_waits() {
    let broker = LocalBroker::start().unwrap();
    let mut connection = connect(&broker);
    let channel = connection.open_channel(None).unwrap();
    let declared = queue(&channel, "q");
    publish(&channel, "q", "a");
    publish(&channel, "q", "b");
    assert_eq!(declared.purge().unwrap(), 2);
    assert_eq!(queue(&channel, "q").declared_message_count(), Some(0));
}
