//! The core without sockets: methods in, what is written out, time by hand.

use std::time::{Duration, Instant};

use amq_protocol::{
    protocol::{AMQPClass, basic, confirm, queue},
    types::{AMQPValue, FieldTable},
};

use super::{Broker, ChannelId, DELIVERY_WINDOW, MEMORY_HIGH};

/// A broker, its clock, and clients 1 and 2 with a channel each.
struct Bench {
    broker: Broker,
    now: Instant,
}

const ONE: ChannelId = ChannelId {
    connection: 1,
    number: 1,
};
const TWO: ChannelId = ChannelId {
    connection: 2,
    number: 1,
};

impl Bench {
    fn new() -> Self {
        let mut bench = Self {
            broker: Broker::new(),
            now: Instant::now(),
        };
        for id in [ONE, TWO] {
            bench.broker.connect(id.connection, true);
            bench.broker.open_channel(id);
        }
        bench
    }

    fn queue(&mut self, name: &str, expires_ms: Option<u32>) {
        let mut arguments = FieldTable::default();
        if let Some(ms) = expires_ms {
            arguments.insert("x-expires".into(), AMQPValue::LongUInt(ms));
        }
        let declare = queue::Declare {
            queue: name.into(),
            durable: true,
            arguments,
            ..Default::default()
        };
        self.method(ONE, AMQPClass::Queue(queue::AMQPMethod::Declare(declare)));
        self.broker.take_output();
    }

    fn method(&mut self, from: ChannelId, method: AMQPClass) {
        self.broker.method(self.now, from, method).unwrap();
    }

    fn basic(&mut self, from: ChannelId, method: basic::AMQPMethod) {
        self.method(from, AMQPClass::Basic(method));
    }

    fn prefetch(&mut self, from: ChannelId, prefetch_count: u16, global: bool) {
        self.basic(
            from,
            basic::AMQPMethod::Qos(basic::Qos {
                prefetch_count,
                global,
            }),
        );
    }

    fn consume(&mut self, from: ChannelId, queue: &str, tag: &str) {
        let consume = basic::Consume {
            queue: queue.into(),
            consumer_tag: tag.into(),
            nowait: true,
            ..Default::default()
        };
        self.basic(from, basic::AMQPMethod::Consume(consume));
    }

    fn ack(&mut self, from: ChannelId, delivery_tag: u64, multiple: bool) {
        self.basic(
            from,
            basic::AMQPMethod::Ack(basic::Ack {
                delivery_tag,
                multiple,
            }),
        );
    }

    fn publish(&mut self, key: &str, body: &[u8]) {
        let publish = basic::Publish {
            routing_key: key.into(),
            ..Default::default()
        };
        self.broker
            .publish(TWO, publish, vec![0, 0], body.to_vec())
            .unwrap();
    }

    /// What was written since the last look: deliveries as `client:tag body`, `!` if redelivered; else the method's name.
    fn written(&mut self) -> String {
        let show = |sent: super::Sent| match (sent.method, sent.message) {
            (AMQPClass::Basic(basic::AMQPMethod::Deliver(deliver)), Some(message)) => format!(
                "{}:{} {}{}",
                sent.to.connection,
                deliver.delivery_tag,
                String::from_utf8_lossy(&message.body),
                if deliver.redelivered { "!" } else { "" }
            ),
            (AMQPClass::Basic(basic::AMQPMethod::Ack(ack)), _) => {
                format!(
                    "{}:confirm {}{}",
                    sent.to.connection,
                    ack.delivery_tag,
                    if ack.multiple { "*" } else { "" }
                )
            }
            (AMQPClass::Basic(basic::AMQPMethod::Cancel(_)), _) => {
                format!("{}:cancel", sent.to.connection)
            }
            (AMQPClass::Basic(basic::AMQPMethod::QosOk(_)), _) => String::new(),
            (other, _) => format!("{other:?}"),
        };
        let shown: Vec<_> = self
            .broker
            .take_output()
            .into_iter()
            .map(show)
            .filter(|line| !line.is_empty())
            .collect();
        shown.join(", ")
    }
}

#[test]
fn a_lost_holder_gives_its_item_to_the_next_at_once() {
    let mut bench = Bench::new();
    bench.queue("q", None);
    for client in [ONE, TWO] {
        bench.prefetch(client, 1, false);
        bench.consume(client, "q", "c");
    }
    for body in ["a", "b", "c"] {
        bench.publish("q", body.as_bytes());
    }
    let first = bench.written();
    assert!(
        ["1:1 a, 2:1 b", "2:1 a, 1:1 b"].contains(&first.as_str()),
        "{first}"
    );
    bench.broker.disconnect(bench.now, 1);
    assert_eq!(bench.written(), "");
    bench.ack(TWO, 1, false);
    let back = if first.starts_with('1') { "a!" } else { "b!" };
    assert_eq!(bench.written(), format!("2:2 {back}"));
    bench.ack(TWO, 2, false);
    assert_eq!(bench.written(), "2:3 c");
}

#[test]
fn returned_messages_stand_where_they_stood() {
    let mut bench = Bench::new();
    bench.queue("q", None);
    bench.prefetch(ONE, 3, false);
    bench.consume(ONE, "q", "c");
    for body in ["a", "b", "c", "d", "e"] {
        bench.publish("q", body.as_bytes());
    }
    assert_eq!(bench.written(), "1:1 a, 1:2 b, 1:3 c");
    let cancel = basic::Cancel {
        consumer_tag: "c".into(),
        nowait: true,
    };
    bench.basic(ONE, basic::AMQPMethod::Cancel(cancel));
    for tag in [3, 1, 2] {
        let reject = basic::Reject {
            delivery_tag: tag,
            requeue: true,
        };
        bench.basic(ONE, basic::AMQPMethod::Reject(reject));
    }
    bench.consume(TWO, "q", "c");
    assert_eq!(bench.written(), "2:1 a!, 2:2 b!, 2:3 c!, 2:4 d, 2:5 e");
}

#[test]
fn a_shared_prefetch_counts_all_consumers_of_the_channel() {
    let mut bench = Bench::new();
    bench.queue("p", None);
    bench.queue("q", None);
    bench.prefetch(ONE, 2, true);
    bench.consume(ONE, "p", "one");
    bench.consume(ONE, "q", "two");
    for key in ["p", "q", "p", "q"] {
        bench.publish(key, key.as_bytes());
    }
    assert_eq!(bench.written(), "1:1 p, 1:2 q");
    bench.ack(ONE, 1, false);
    assert_eq!(bench.written(), "1:3 p");
    bench.ack(ONE, 3, true);
    assert_eq!(bench.written(), "1:4 q");
}

#[test]
fn an_unknown_tag_is_refused_and_zero_with_multiple_means_all() {
    let mut bench = Bench::new();
    bench.queue("q", None);
    bench.consume(ONE, "q", "c");
    bench.publish("q", b"a");
    bench.publish("q", b"b");
    for (delivery_tag, multiple) in [(0, false), (3, false), (3, true)] {
        let ack = AMQPClass::Basic(basic::AMQPMethod::Ack(basic::Ack {
            delivery_tag,
            multiple,
        }));
        assert_eq!(
            bench.broker.method(bench.now, ONE, ack).unwrap_err().code,
            406
        );
    }
    bench.ack(ONE, 0, true);
    assert_eq!(bench.broker.stored_bytes, 0);
}

#[test]
fn confirms_are_gathered_over_a_batch() {
    let mut bench = Bench::new();
    bench.queue("q", None);
    bench.method(
        TWO,
        AMQPClass::Confirm(confirm::AMQPMethod::Select(confirm::Select {
            nowait: true,
        })),
    );
    bench.publish("q", b"a");
    bench.broker.end_of_batch(2, [1].into_iter());
    bench.publish("q", b"b");
    bench.publish("nowhere", b"c");
    bench.broker.end_of_batch(2, [1].into_iter());
    bench.broker.end_of_batch(2, [1].into_iter());
    assert_eq!(bench.written(), "2:confirm 1, 2:confirm 3*");
}

#[test]
fn a_client_that_does_not_read_gets_a_window_full_and_no_more() {
    let mut bench = Bench::new();
    bench.queue("q", None);
    let consume = basic::Consume {
        queue: "q".into(),
        no_ack: true,
        nowait: true,
        ..Default::default()
    };
    bench.basic(ONE, basic::AMQPMethod::Consume(consume));
    let body = vec![b'x'; DELIVERY_WINDOW / 4];
    for _ in 0..10 {
        bench.publish("q", &body);
    }
    assert_eq!(bench.broker.take_output().len(), 4);
    assert_eq!(bench.broker.stored_bytes, 6 * (body.len() + 258));
    bench.broker.drained(1);
    assert_eq!(bench.broker.take_output().len(), 4);
    bench.broker.drained(1);
    bench.broker.drained(1);
    assert_eq!(bench.broker.take_output().len(), 2);
    assert_eq!(bench.broker.stored_bytes, 0);
}

#[test]
fn a_full_memory_is_told_until_there_is_room_again() {
    let mut bench = Bench::new();
    bench.queue("q", None);
    // Pages that nobody writes to: this takes addresses, not memory.
    let publish = basic::Publish {
        routing_key: "q".into(),
        ..Default::default()
    };
    for _ in 0..MEMORY_HIGH >> 20 {
        bench
            .broker
            .publish(TWO, publish.clone(), Vec::new(), vec![0; 1 << 20])
            .unwrap();
    }
    assert!(bench.broker.alarmed());
    bench.prefetch(ONE, 1, false);
    bench.consume(ONE, "q", "c");
    bench.broker.drained(1);
    bench.ack(ONE, 1, false);
    assert!(
        bench.broker.alarmed(),
        "one message less is not room enough"
    );
    bench.method(
        ONE,
        AMQPClass::Queue(queue::AMQPMethod::Purge(queue::Purge {
            queue: "q".into(),
            nowait: true,
        })),
    );
    assert!(!bench.broker.alarmed());
}

#[test]
fn disuse_is_counted_from_the_last_use() {
    let mut bench = Bench::new();
    bench.queue("q", Some(1000));
    let ms = Duration::from_millis;
    let start = bench.now;
    assert_eq!(bench.broker.deadline(), Some(start + ms(1000)));
    bench.now = start + ms(900);
    bench.queue("q", Some(1000));
    assert_eq!(bench.broker.deadline(), Some(start + ms(1900)));
    bench.consume(ONE, "q", "c");
    assert_eq!(bench.broker.deadline(), None);
    bench.now = start + ms(5000);
    bench.basic(
        ONE,
        basic::AMQPMethod::Cancel(basic::Cancel {
            consumer_tag: "c".into(),
            nowait: true,
        }),
    );
    assert_eq!(bench.broker.deadline(), Some(start + ms(6000)));
    bench.broker.tick(start + ms(5999));
    assert_eq!(bench.broker.queues.len(), 1);
    bench.broker.tick(start + ms(6000));
    assert_eq!(bench.broker.queues.len(), 0);
    assert_eq!(bench.broker.deadline(), None);
}

#[test]
fn a_queue_made_anew_takes_nothing_back_of_the_old() {
    let mut bench = Bench::new();
    bench.queue("q", None);
    bench.consume(ONE, "q", "c");
    bench.publish("q", b"old");
    bench.method(
        TWO,
        AMQPClass::Queue(queue::AMQPMethod::Delete(queue::Delete {
            queue: "q".into(),
            nowait: true,
            ..Default::default()
        })),
    );
    bench.queue("q", None);
    bench.broker.close_channel(bench.now, ONE);
    assert_eq!(bench.broker.stored_bytes, 0);
    bench.consume(TWO, "q", "c");
    assert_eq!(bench.written(), "");
}

#[test]
fn a_client_that_knows_no_cancels_is_told_none() {
    let mut bench = Bench::new();
    bench.broker.connect(1, false);
    bench.queue("q", None);
    bench.consume(ONE, "q", "c");
    bench.consume(TWO, "q", "c");
    bench.method(
        TWO,
        AMQPClass::Queue(queue::AMQPMethod::Delete(queue::Delete {
            queue: "q".into(),
            nowait: true,
            ..Default::default()
        })),
    );
    assert_eq!(bench.written(), "2:cancel");
}
