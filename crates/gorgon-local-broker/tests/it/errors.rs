//! Refusals carry the protocol's codes, and take down no more than they must.

use std::time::Duration;

use amiquip::{
    AmqpValue, ConsumerMessage, ConsumerOptions, ExchangeDeclareOptions, ExchangeType, FieldTable,
    Publish, QueueDeclareOptions,
};
use gorgon_local_broker::LocalBroker;

use crate::client::{connect, durable, open};

fn expires(ms: i32) -> QueueDeclareOptions {
    let mut arguments = FieldTable::new();
    arguments.insert("x-expires".into(), AmqpValue::LongInt(ms));
    QueueDeclareOptions {
        arguments,
        ..durable()
    }
}

#[test]
fn a_refused_method_ends_its_channel_alone() {
    let broker = LocalBroker::start().unwrap();
    let (mut connection, mut other) = (connect(&broker), connect(&broker));
    let owner = other.open_channel(None).unwrap();
    owner
        .queue_declare(
            "mine",
            QueueDeclareOptions {
                exclusive: true,
                ..Default::default()
            },
        )
        .unwrap();
    owner.queue_declare("short", expires(60_000)).unwrap();
    owner
        .exchange_declare(
            ExchangeType::Fanout,
            "jobs",
            ExchangeDeclareOptions::default(),
        )
        .unwrap();
    let mut check = |code: &str, what: &dyn Fn(&amiquip::Channel) -> amiquip::Result<()>| {
        let channel = connection.open_channel(None).unwrap();
        let error = what(&channel).expect_err(code).to_string();
        assert!(error.contains(code), "not {code}: {error}");
    };
    check("404", &|channel| {
        channel.queue_declare_passive("none").map(drop)
    });
    check("404", &|channel| {
        channel
            .basic_consume("none", ConsumerOptions::default())
            .map(drop)
    });
    check("404", &|channel| channel.queue_purge("none").map(drop));
    check("404", &|channel| {
        channel.exchange_declare_passive("none").map(drop)
    });
    check("404", &|channel| {
        channel.queue_bind("short", "none", "", FieldTable::new())
    });
    check("404", &|channel| {
        channel.basic_publish("none", Publish::new(b"", ""))?;
        channel.qos(0, 1, false)
    });
    check("405", &|channel| {
        channel.queue_declare("mine", durable()).map(drop)
    });
    check("405", &|channel| {
        channel
            .basic_consume("mine", ConsumerOptions::default())
            .map(drop)
    });
    check("406", &|channel| {
        channel.queue_declare("short", expires(50_000)).map(drop)
    });
    check("406", &|channel| {
        channel.queue_declare("zero", expires(0)).map(drop)
    });
    // RabbitMQ 4.3 knows this of other kinds of queues.
    let timeout = || {
        let value = AmqpValue::LongInt(604_800_000);
        FieldTable::from([("x-consumer-timeout".to_owned(), value)])
    };
    check("406", &|channel| {
        let options = QueueDeclareOptions {
            arguments: timeout(),
            ..durable()
        };
        channel.queue_declare("slow", options).map(drop)
    });
    check("406", &|channel| {
        let options = ConsumerOptions {
            arguments: timeout(),
            ..ConsumerOptions::default()
        };
        channel.basic_consume("short", options).map(drop)
    });
    check("406", &|channel| {
        let options = QueueDeclareOptions {
            durable: false,
            exclusive: false,
            ..expires(60_000)
        };
        channel.queue_declare("short", options).map(drop)
    });
    check("406", &|channel| {
        channel
            .exchange_declare(
                ExchangeType::Direct,
                "jobs",
                ExchangeDeclareOptions::default(),
            )
            .map(drop)
    });
    check("403", &|channel| {
        channel
            .exchange_declare(
                ExchangeType::Direct,
                "amq.mine",
                ExchangeDeclareOptions::default(),
            )
            .map(drop)
    });
    check("403", &|channel| {
        channel.queue_declare("amq.mine", durable()).map(drop)
    });
    // The connection has outlived all of it.
    connection
        .open_channel(None)
        .unwrap()
        .queue_declare_passive("short")
        .unwrap();
}

#[test]
fn what_the_broker_does_not_know_ends_the_connection_with_540() {
    let broker = LocalBroker::start().unwrap();
    let mut connection = connect(&broker);
    let channel = connection.open_channel(None).unwrap();
    let error = channel
        .exchange_declare(
            ExchangeType::Topic,
            "topic",
            ExchangeDeclareOptions::default(),
        )
        .map(drop)
        .unwrap_err();
    assert!(error.to_string().contains("540"), "{error}");
}

#[test]
fn only_what_rabbitmq_4_3_takes_becomes_a_queue() {
    let broker = LocalBroker::start().unwrap();
    let kind = |kind: &str| QueueDeclareOptions {
        arguments: FieldTable::from([(
            "x-queue-type".to_owned(),
            AmqpValue::LongString(kind.to_owned()),
        )]),
        ..durable()
    };
    for (options, code) in [
        (durable(), ""),
        (kind("classic"), ""),
        (kind("quorum"), "540"),
        (QueueDeclareOptions::default(), "541"),
    ] {
        let mut connection = connect(&broker);
        let channel = connection.open_channel(None).unwrap();
        let declared = channel.queue_declare(format!("q{code}"), options).map(drop);
        let said = declared.map_or_else(|error| error.to_string(), |()| String::new());
        assert!(said.contains(code), "not {code}: {said}");
    }
}

#[test]
fn a_wrong_password_and_a_wrong_vhost_are_refused() {
    let broker = LocalBroker::start().unwrap();
    let error = open(&broker, "wrong", "/", 5).map(drop).unwrap_err();
    assert!(
        matches!(error, amiquip::Error::InvalidCredentials),
        "{error:?}"
    );
    let error = open(&broker, broker.password(), "nope", 5)
        .map(drop)
        .unwrap_err();
    assert!(error.to_string().contains("530"), "{error}");
}

#[test]
fn the_brokers_end_is_told_to_its_clients() {
    let broker = LocalBroker::start().unwrap();
    let mut connection = connect(&broker);
    let channel = connection.open_channel(None).unwrap();
    let queue = channel.queue_declare("q", durable()).unwrap();
    let consumer = queue.consume(ConsumerOptions::default()).unwrap();
    drop(broker);
    match consumer.receiver().recv_timeout(Duration::from_secs(30)) {
        Ok(ConsumerMessage::ServerClosedConnection(error)) => {
            assert!(error.to_string().contains("320"), "{error}")
        }
        other => panic!("not told, but {other:?}"),
    }
}
