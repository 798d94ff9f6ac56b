//! Much at once, large at once, and clients that stand in the way.

use std::time::{Duration, Instant};

use amiquip::{Confirm, ConsumerOptions, Publish, QueueDeclareOptions};
use amq_protocol::protocol::{AMQPClass, basic};
use gorgon_local_broker::LocalBroker;

use crate::{
    client::{connect, next},
    wire::Wire,
};

#[test]
fn sixteen_megabytes_pass_unharmed() {
    let broker = LocalBroker::start().unwrap();
    let mut connection = connect(&broker);
    let channel = connection.open_channel(None).unwrap();
    let queue = channel
        .queue_declare("q", QueueDeclareOptions::default())
        .unwrap();
    let consumer = queue.consume(ConsumerOptions::default()).unwrap();
    let body: Vec<u8> = (0..16_u32 << 20)
        .map(|n| (n * 7 + n / 4096) as u8)
        .collect();
    channel.basic_publish("", Publish::new(&body, "q")).unwrap();
    assert!(next(&consumer).body == body);
}

#[test]
fn a_client_that_does_not_read_hinders_nobody() {
    const MESSAGES: u32 = 400;
    let broker = LocalBroker::start().unwrap();
    let mut connection = connect(&broker);
    let channel = connection.open_channel(None).unwrap();
    let flood = channel
        .queue_declare("flood", QueueDeclareOptions::default())
        .unwrap();
    let mut deaf = Wire::open(&broker, 131_072, 0);
    let consume = basic::Consume {
        queue: "flood".into(),
        no_ack: true,
        ..Default::default()
    };
    deaf.send(1, AMQPClass::Basic(basic::AMQPMethod::Consume(consume)));
    channel.enable_publisher_confirms().unwrap();
    let confirms = channel.listen_for_publisher_confirms().unwrap();
    let body = vec![0; 100_000];
    for _ in 0..MESSAGES {
        channel
            .basic_publish("", Publish::new(&body, "flood"))
            .unwrap();
    }
    loop {
        match confirms.recv_timeout(Duration::from_secs(5)).unwrap() {
            Confirm::Ack(payload) if payload.delivery_tag == u64::from(MESSAGES) => break,
            _ => {}
        }
    }
    // Others are served as ever.
    let echo = channel
        .queue_declare("echo", QueueDeclareOptions::default())
        .unwrap();
    let consumer = echo.consume(ConsumerOptions::default()).unwrap();
    let start = Instant::now();
    channel
        .basic_publish("", Publish::new(b"hello", "echo"))
        .unwrap();
    next(&consumer);
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    // What the deaf one took is a window, a message, and what the system's buffers hold (some megabytes).
    let waiting = channel
        .queue_declare_passive("flood")
        .unwrap()
        .declared_message_count()
        .unwrap();
    assert!(
        waiting > MESSAGES / 2,
        "only {waiting} of {MESSAGES} still wait in the queue"
    );
    assert_eq!(flood.purge().unwrap(), waiting);
}

#[test]
fn many_clients_share_a_queue_and_lose_nothing() {
    const CLIENTS: usize = 20;
    const MESSAGES: usize = 2000;
    let broker = LocalBroker::start().unwrap();
    let mut connection = connect(&broker);
    let channel = connection.open_channel(None).unwrap();
    channel
        .queue_declare("work", QueueDeclareOptions::default())
        .unwrap();
    channel
        .queue_declare("done", QueueDeclareOptions::default())
        .unwrap();
    for number in 0..MESSAGES {
        channel
            .basic_publish("", Publish::new(number.to_string().as_bytes(), "work"))
            .unwrap();
    }
    let mut seen: Vec<usize> = std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut connection = connect(&broker);
                let channel = connection.open_channel(None).unwrap();
                channel.qos(0, 1, false).unwrap();
                let queue = channel.queue_declare_passive("work").unwrap();
                let consumer = queue.consume(ConsumerOptions::default()).unwrap();
                for message in consumer.receiver() {
                    let amiquip::ConsumerMessage::Delivery(delivery) = message else {
                        break;
                    };
                    channel
                        .basic_publish("", Publish::new(&delivery.body, "done"))
                        .unwrap();
                    consumer.ack(delivery).unwrap();
                }
            });
        }
        let done = channel.queue_declare_passive("done").unwrap();
        let consumer = done
            .consume(ConsumerOptions {
                no_ack: true,
                ..Default::default()
            })
            .unwrap();
        let seen = (0..MESSAGES)
            .map(|_| {
                String::from_utf8(next(&consumer).body)
                    .unwrap()
                    .parse()
                    .unwrap()
            })
            .collect();
        let delete = amiquip::QueueDeleteOptions {
            if_unused: false,
            if_empty: false,
        };
        channel.queue_delete("work", delete).unwrap();
        seen
    });
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..MESSAGES));
}
