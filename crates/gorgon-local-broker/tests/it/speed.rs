//! How long things take. The bounds are loose, as tests share the machine; `--nocapture` shows what was measured.

use std::time::{Duration, Instant};

use amiquip::{ConsumerOptions, Publish};
use gorgon_local_broker::LocalBroker;

use crate::client::{connect, durable, next};

/// What it took when nobody else had the machine.
fn quickest(times: impl Iterator<Item = Duration>) -> Duration {
    times.min().unwrap()
}

#[test]
fn a_start_takes_no_time_to_speak_of() {
    let starts = (0..20).map(|_| {
        let start = Instant::now();
        let broker = LocalBroker::start().unwrap();
        let took = start.elapsed();
        drop(broker);
        took
    });
    let start = quickest(starts);
    println!("start: {start:?}");
    assert!(start < Duration::from_millis(20), "{start:?}");
}

#[test]
fn a_message_passes_faster_than_a_test_could_tell() {
    let broker = LocalBroker::start().unwrap();
    let mut connection = connect(&broker);
    let channel = connection.open_channel(None).unwrap();
    let queue = channel.queue_declare("q", durable()).unwrap();
    let consumer = queue
        .consume(ConsumerOptions {
            no_ack: true,
            ..Default::default()
        })
        .unwrap();
    let trips = (0..500).map(|_| {
        let start = Instant::now();
        channel
            .basic_publish("", Publish::new(&[b'x'; 200], "q"))
            .unwrap();
        next(&consumer);
        start.elapsed()
    });
    let trip = quickest(trips);
    println!("publish to delivery: {trip:?}");
    // A client without TCP_NODELAY, or a broker without it, would take 40 ms here.
    assert!(trip < Duration::from_millis(10), "{trip:?}");
}
