//! Bytes that no good client sends, and bytes at the edge of what one may send.

use std::time::{Duration, Instant};

use amq_protocol::{
    frame::{AMQPContentHeader, AMQPFrame},
    protocol::{AMQPClass, basic, channel, connection, queue, tx},
};
use gorgon_local_broker::LocalBroker;

use crate::{
    client::{connect, next},
    wire::{Wire, frame},
};

fn publish_to(key: &str) -> AMQPClass {
    let publish = basic::Publish {
        routing_key: key.into(),
        ..Default::default()
    };
    AMQPClass::Basic(basic::AMQPMethod::Publish(publish))
}

fn header(body_size: u64) -> AMQPFrame {
    AMQPFrame::Header(
        1,
        AMQPContentHeader {
            class_id: 60,
            body_size,
            properties: Default::default(),
        },
    )
}

fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap().to_be_bytes()
}

#[test]
fn another_protocol_is_told_ours() {
    let broker = LocalBroker::start().unwrap();
    for greeting in [
        b"GET / HT".as_slice(),
        b"AMQP\x00\x01\x00\x00",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
    ] {
        let mut wire = Wire::connect(&broker);
        wire.bytes(greeting);
        assert_eq!(
            wire.frame()
                .map(|frame| matches!(frame, AMQPFrame::ProtocolHeader(_))),
            Some(true)
        );
        assert_eq!(wire.frame(), None);
    }
}

#[test]
fn each_wrong_frame_has_its_code() {
    let broker = LocalBroker::start().unwrap();
    let open_again = frame(&AMQPFrame::Method(
        1,
        AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {})),
    ));
    let select = frame(&AMQPFrame::Method(
        1,
        AMQPClass::Tx(tx::AMQPMethod::Select(tx::Select {})),
    ));
    let on_zero = frame(&AMQPFrame::Method(0, publish_to("q")));
    let unopened = frame(&AMQPFrame::Method(7, publish_to("q")));
    let no_header = [
        frame(&AMQPFrame::Method(1, publish_to("q"))),
        frame(&AMQPFrame::Body(1, vec![1])),
    ]
    .concat();
    let too_long = [
        frame(&AMQPFrame::Method(1, publish_to("q"))),
        frame(&header(1)),
        frame(&AMQPFrame::Body(1, vec![1; 2])),
    ]
    .concat();
    for (what, bytes, code) in [
        ("a frame larger than agreed", vec![1, 0, 1, 0, 2, 0, 0], 501),
        ("no end mark", vec![8, 0, 0, 0, 0, 0, 0, 0], 501),
        ("an unknown frame type", vec![9, 0, 0, 0, 0, 0, 0, 206], 501),
        ("a body longer than announced", too_long, 501),
        (
            "an unknown method",
            vec![1, 0, 1, 0, 0, 0, 4, 0, 60, 3, 231, 206],
            502,
        ),
        (
            "a method cut short",
            vec![1, 0, 1, 0, 0, 0, 6, 0, 60, 0, 20, 0, 0, 206],
            502,
        ),
        ("a method of a channel on channel 0", on_zero, 503),
        ("a channel that is not open", unopened, 504),
        ("a second open", open_again, 504),
        (
            "a body without a method",
            frame(&AMQPFrame::Body(1, vec![1])),
            505,
        ),
        ("a body without a header", no_header, 505),
        ("transactions", select, 540),
    ] {
        let mut wire = Wire::open(&broker, 131_072, 0);
        wire.bytes(&bytes);
        assert_eq!(wire.closed(), Some(code), "{what}");
    }
    connect(&broker).open_channel(None).unwrap();
}

#[test]
fn tuning_beyond_the_offer_is_refused() {
    let broker = LocalBroker::start().unwrap();
    for (channel_max, frame_max) in [(2047, 131_073), (2047, 4095), (2048, 131_072)] {
        let mut wire = Wire::greet(&broker);
        let start_ok = connection::StartOk {
            mechanism: "PLAIN".into(),
            response: format!("\0{}\0{}", broker.user(), broker.password()).into(),
            ..Default::default()
        };
        wire.connection(connection::AMQPMethod::StartOk(start_ok));
        wire.method();
        wire.connection(connection::AMQPMethod::TuneOk(connection::TuneOk {
            channel_max,
            frame_max,
            heartbeat: 0,
        }));
        assert_eq!(wire.closed(), Some(530), "{channel_max} {frame_max}");
    }
}

#[test]
fn nobody_gets_past_the_login() {
    let broker = LocalBroker::start().unwrap();
    let open = AMQPClass::Connection(connection::AMQPMethod::Open(connection::Open {
        virtual_host: "/".into(),
    }));
    let mut wire = Wire::greet(&broker);
    wire.send(0, open);
    assert_eq!(wire.closed(), Some(503));
    let mut wire = Wire::greet(&broker);
    wire.send(
        1,
        AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {})),
    );
    assert_eq!(wire.closed(), Some(503));
    for mechanism in ["EXTERNAL", "ANONYMOUS", "PLAIN"] {
        let mut wire = Wire::greet(&broker);
        let start_ok = connection::StartOk {
            mechanism: mechanism.into(),
            ..Default::default()
        };
        wire.connection(connection::AMQPMethod::StartOk(start_ok));
        assert_eq!(wire.closed(), None, "{mechanism}");
    }
}

#[test]
fn tables_nested_as_deep_as_a_method_is_long_harm_nobody() {
    let broker = LocalBroker::start().unwrap();
    for (size, refused) in [(16_000, false), (130_000, true)] {
        let mut table = Vec::new();
        while table.len() < size {
            // A field without a name that is a table: the one so far.
            table = [[0, b'F'].as_slice(), &length(&table), &table].concat();
        }
        let declare = queue::Declare {
            queue: "q".into(),
            durable: true,
            ..Default::default()
        };
        let declare = frame(&AMQPFrame::Method(
            1,
            AMQPClass::Queue(queue::AMQPMethod::Declare(declare)),
        ));
        // The last five bytes are an empty table's length and the end mark.
        let mut bytes = [
            &declare[..declare.len() - 5],
            &length(&table),
            &table,
            &[206],
        ]
        .concat();
        let payload = length(&bytes[8..]);
        bytes[3..7].copy_from_slice(&payload);
        let mut wire = Wire::open(&broker, 131_072, 0);
        wire.bytes(&bytes);
        if refused {
            assert_eq!(wire.closed(), Some(501));
        } else {
            assert!(matches!(
                wire.method(),
                AMQPClass::Queue(queue::AMQPMethod::DeclareOk(_))
            ));
        }
    }
    connect(&broker).open_channel(None).unwrap();
}

#[test]
fn garbled_sessions_harm_nobody() {
    let broker = LocalBroker::start().unwrap();
    let declare = queue::Declare {
        queue: "q".into(),
        durable: true,
        ..Default::default()
    };
    let consume = basic::Consume {
        queue: "q".into(),
        ..Default::default()
    };
    let session = [
        frame(&AMQPFrame::Method(
            1,
            AMQPClass::Queue(queue::AMQPMethod::Declare(declare)),
        )),
        frame(&AMQPFrame::Method(
            1,
            AMQPClass::Basic(basic::AMQPMethod::Consume(consume)),
        )),
        frame(&AMQPFrame::Method(1, publish_to("q"))),
        frame(&header(3)),
        frame(&AMQPFrame::Body(1, b"abc".to_vec())),
    ]
    .concat();
    // A fixed seed: the same garbling each time.
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    for _ in 0..200 {
        let mut bytes = session.clone();
        for _ in 0..=random(3) {
            let at = random(bytes.len());
            bytes[at] = u8::try_from(random(256)).unwrap();
        }
        bytes.truncate(1 + random(bytes.len()));
        Wire::open(&broker, 131_072, 0).bytes(&bytes);
    }
    connect(&broker).open_channel(None).unwrap();
}

#[test]
fn heartbeats_go_both_ways() {
    let broker = LocalBroker::start().unwrap();
    let start = Instant::now();
    let mut wire = Wire::open(&broker, 131_072, 1);
    assert_eq!(wire.frame(), Some(AMQPFrame::Heartbeat));
    while start.elapsed() < Duration::from_millis(3500) {
        wire.bytes(&frame(&AMQPFrame::Heartbeat));
        assert_eq!(wire.frame(), Some(AMQPFrame::Heartbeat));
    }
    let silent = Instant::now();
    while wire.frame().is_some() {}
    let after = silent.elapsed();
    assert!(
        (Duration::from_millis(2000)..Duration::from_secs(30)).contains(&after),
        "hung up after {after:?}"
    );
}

#[test]
fn bodies_are_cut_to_the_size_that_the_receiver_takes() {
    let broker = LocalBroker::start().unwrap();
    let mut wire = Wire::open(&broker, 4096, 0);
    let declare = queue::Declare {
        queue: "q".into(),
        durable: true,
        nowait: true,
        ..Default::default()
    };
    let consume = basic::Consume {
        queue: "q".into(),
        nowait: true,
        ..Default::default()
    };
    wire.send(1, AMQPClass::Queue(queue::AMQPMethod::Declare(declare)));
    wire.send(1, AMQPClass::Basic(basic::AMQPMethod::Consume(consume)));
    wire.send(1, publish_to("q"));
    wire.bytes(&frame(&header(10_000)));
    for size in [4088, 4088, 1824] {
        wire.bytes(&frame(&AMQPFrame::Body(1, vec![b'x'; size])));
    }
    assert!(matches!(
        wire.frame(),
        Some(AMQPFrame::Method(
            1,
            AMQPClass::Basic(basic::AMQPMethod::Deliver(_))
        ))
    ));
    assert!(
        matches!(wire.frame(), Some(AMQPFrame::Header(1, header)) if header.body_size == 10_000)
    );
    let sizes: Vec<_> = (0..3)
        .map(|_| match wire.frame() {
            Some(AMQPFrame::Body(1, body)) => body.len(),
            other => panic!("no body, but {other:?}"),
        })
        .collect();
    assert_eq!(sizes, [4088, 4088, 1824]);
}

#[test]
fn a_message_beyond_the_limit_ends_its_channel() {
    let broker = LocalBroker::start().unwrap();
    let mut wire = Wire::open(&broker, 131_072, 0);
    wire.send(1, publish_to("q"));
    wire.bytes(&frame(&header((128 << 20) + 1)));
    wire.bytes(&frame(&AMQPFrame::Body(1, vec![0; 1000])));
    match wire.method() {
        AMQPClass::Channel(channel::AMQPMethod::Close(close)) => assert_eq!(close.reply_code, 406),
        other => panic!("no close, but {other:?}"),
    }
    wire.send(
        1,
        AMQPClass::Channel(channel::AMQPMethod::CloseOk(channel::CloseOk {})),
    );
    wire.send(
        1,
        AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {})),
    );
    assert!(matches!(
        wire.method(),
        AMQPClass::Channel(channel::AMQPMethod::OpenOk(_))
    ));
}

#[test]
fn a_client_gone_in_mid_message_leaves_nothing() {
    let broker = LocalBroker::start().unwrap();
    let mut connection = connect(&broker);
    let channel = connection.open_channel(None).unwrap();
    let options = amiquip::QueueDeclareOptions {
        durable: true,
        ..Default::default()
    };
    let queue = channel.queue_declare("q", options).unwrap();
    let consumer = queue.consume(Default::default()).unwrap();
    let mut wire = Wire::open(&broker, 131_072, 0);
    wire.send(1, publish_to("q"));
    wire.bytes(&frame(&header(10)));
    wire.bytes(&frame(&AMQPFrame::Body(1, b"half".to_vec())));
    drop(wire);
    channel
        .basic_publish("", amiquip::Publish::new(b"whole", "q"))
        .unwrap();
    assert_eq!(next(&consumer).body, b"whole");
}
