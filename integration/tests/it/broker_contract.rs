//! One set of checks for both brokers.
use integration::rabbit;
#[test]
fn smoke() {
    let t = std::time::Instant::now();
    let vhost = rabbit::shared().vhost();
    eprintln!("up in {:?}", t.elapsed());
    let s = gorgon_broker::Session::open(
        &vhost.target(),
        gorgon_broker::Setup {
            role: "smoke".into(),
            declare: vec![gorgon_broker::Declare::queue("q")],
            ..Default::default()
        },
        gorgon_broker::Patience::Forever,
    )
    .unwrap();
    eprintln!("open {:?}", t.elapsed());
    s.publish(gorgon_broker::Publish::to_queue("q", "x", 1));
    assert!(s.flush(std::time::Duration::from_secs(5)));
    eprintln!("flushed {:?}", t.elapsed());
    eprintln!("{:?} {:?}", vhost.queues(), vhost.node().connections());
    s.close(std::time::Duration::from_secs(2));
    eprintln!("closed {:?}", t.elapsed());
}
