//! Much at once, large at once, and clients that stand in the way.

use std::time::Duration;

use amiquip::{Confirm, ConsumerOptions, Publish};
use amq_protocol::{
    frame::{AMQPContentHeader, AMQPFrame},
    protocol::{AMQPClass, basic, channel},
};
use gorgon_local_broker::LocalBroker;

use crate::{
    client::{connect, durable, next},
    wire::{Wire, frame},
};

#[test]
fn a_message_of_any_size_passes_unharmed() {
    const FRAME_MAX: usize = 131_072;
    let broker = LocalBroker::start().unwrap();
    let mut connection = connect(&broker);
    let channel = connection.open_channel(None).unwrap();
    let queue = channel.queue_declare("q", durable()).unwrap();
    let consumer = queue.consume(ConsumerOptions::default()).unwrap();
    for size in [
        0,
        1,
        FRAME_MAX - 8,
        FRAME_MAX - 7,
        FRAME_MAX,
        1 << 20,
        16 << 20,
    ] {
        let body: Vec<u8> = (0..size).map(|n| (n * 7 + n / 4096) as u8).collect();
        channel.basic_publish("", Publish::new(&body, "q")).unwrap();
        assert!(next(&consumer).body == body, "{size}");
    }
}

/// The same message again and again for a few bytes each: what they cause is written before the next are looked at.
#[test]
fn a_few_bytes_that_ask_for_many_fill_no_memory() {
    const ROUNDS: u64 = 2000;
    let broker = LocalBroker::start().unwrap();
    let mut connection = connect(&broker);
    let channel = connection.open_channel(None).unwrap();
    channel.queue_declare("q", durable()).unwrap();
    channel
        .basic_publish("", Publish::new(&vec![7; 8 << 20], "q"))
        .unwrap();
    let before = resident_bytes();
    let mut wire = Wire::open(&broker, 131_072, 0);
    for tag in 1..=ROUNDS {
        let get = basic::Get {
            queue: "q".into(),
            no_ack: false,
        };
        wire.send(1, AMQPClass::Basic(basic::AMQPMethod::Get(get)));
        let nack = basic::Nack {
            delivery_tag: tag,
            multiple: false,
            requeue: true,
        };
        wire.send(1, AMQPClass::Basic(basic::AMQPMethod::Nack(nack)));
    }
    // The broker has come to the end of what it does for this client when it still serves another.
    let echo = channel.queue_declare("echo", durable()).unwrap();
    let consumer = echo.consume(ConsumerOptions::default()).unwrap();
    channel
        .basic_publish("", Publish::new(b"hello", "echo"))
        .unwrap();
    next(&consumer);
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 1 << 30, "{grown} bytes for {ROUNDS} questions");
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
fn messages_begun_on_many_channels_are_no_more_than_one() {
    let broker = LocalBroker::start().unwrap();
    let mut wire = Wire::open(&broker, 131_072, 0);
    let piece = frame(&AMQPFrame::Body(0, vec![0; 131_064]));
    for number in 2..=2047 {
        let open = channel::Open {};
        wire.send(number, AMQPClass::Channel(channel::AMQPMethod::Open(open)));
        let publish = basic::Publish {
            routing_key: "q".into(),
            ..Default::default()
        };
        wire.send(
            number,
            AMQPClass::Basic(basic::AMQPMethod::Publish(publish)),
        );
        let header = AMQPContentHeader {
            class_id: 60,
            body_size: 128 << 20,
            properties: Default::default(),
        };
        wire.bytes(&frame(&AMQPFrame::Header(number, header)));
        let mut piece = piece.clone();
        piece[1..3].copy_from_slice(&number.to_be_bytes());
        wire.bytes(&piece);
    }
    assert_eq!(wire.closed(), Some(506));
}

#[test]
fn strangers_who_stay_shut_nobody_out() {
    let broker = LocalBroker::start().unwrap();
    let strangers: Vec<_> = (0..600).map(|_| Wire::connect(&broker)).collect();
    connect(&broker).open_channel(None).unwrap();
    drop(strangers);
}

#[test]
fn who_takes_too_long_to_log_in_is_let_go() {
    let broker = LocalBroker::start().unwrap();
    let mut socket = std::net::TcpStream::connect(("127.0.0.1", broker.port())).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    std::io::Write::write_all(&mut socket, b"AMQP").unwrap();
    // Half a frame, then silence: the broker hangs up.
    assert_eq!(std::io::Read::read(&mut socket, &mut [0]).unwrap(), 0);
}

#[test]
fn half_a_frame_hinders_nobody() {
    let broker = LocalBroker::start().unwrap();
    let mut wire = Wire::open(&broker, 131_072, 0);
    let body = frame(&AMQPFrame::Body(1, vec![0; 100_000]));
    wire.bytes(&body[..50_000]);
    let mut connection = connect(&broker);
    connection.open_channel(None).unwrap();
}

#[test]
fn a_client_that_does_not_read_hinders_nobody() {
    const MESSAGES: u32 = 400;
    let broker = LocalBroker::start().unwrap();
    let mut connection = connect(&broker);
    let channel = connection.open_channel(None).unwrap();
    let flood = channel.queue_declare("flood", durable()).unwrap();
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
        match confirms.recv_timeout(Duration::from_secs(30)).unwrap() {
            Confirm::Ack(payload) if payload.delivery_tag == u64::from(MESSAGES) => break,
            _ => {}
        }
    }
    // Others are served as ever.
    let echo = channel.queue_declare("echo", durable()).unwrap();
    let consumer = echo.consume(ConsumerOptions::default()).unwrap();
    channel
        .basic_publish("", Publish::new(b"hello", "echo"))
        .unwrap();
    next(&consumer);
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
    const CLIENTS: usize = 64;
    const MESSAGES: usize = 2000;
    let broker = LocalBroker::start().unwrap();
    let mut connection = connect(&broker);
    let channel = connection.open_channel(None).unwrap();
    channel.queue_declare("work", durable()).unwrap();
    channel.queue_declare("done", durable()).unwrap();
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
