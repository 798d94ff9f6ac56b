//! What every version of RabbitMQ must let us do. `make brokers` runs these against each that users have.

use integration::{
    cluster::Cluster,
    gate::Gate,
    home::Home,
    project::Project,
    proxy::Proxy,
    rabbit,
    wait::{secs, until},
};
use std::time::Instant;

const FILES: [&str; 2] = ["spec/a_spec.rb", "spec/b_spec.rb"];

/// Two files; the first waits at the gate.
fn project(home: &Home, gate: &Gate) -> Project {
    let project = Project::of(
        home,
        &[
            ("gorgon.json", r#"{ "files": ["spec/*_spec.rb"] }"#),
            (
                FILES[0],
                "require_relative '../gate'\nRSpec.describe('a') { it('waits') { Gate.pass('a') } }\n",
            ),
            (
                FILES[1],
                "RSpec.describe('b') { it('holds') { expect(1).to eq 1 } }\n",
            ),
        ],
    );
    gate.write_into(&project);
    project
}

#[test]
fn a_virtual_host_whose_queues_are_quorum_queues_by_default_serves_a_job() {
    let node = rabbit::shared();
    let cluster = Cluster::start_in(node, node.vhost_of_quorum_queues(), &[("a", 1), ("b", 1)]);
    let gate = Gate::open(cluster.home());
    let project = project(cluster.home(), &gate);
    let run = cluster.begin(&project, &[]);
    let visit = gate.next();
    for queue in cluster.vhost().queues() {
        assert_eq!(queue.kind, "rabbit_classic_queue", "{}", queue.name);
    }
    visit.release();
    run.finished(secs(60)).exited(0).reported(&FILES);
    cluster.assert_nothing_left();
}

#[test]
fn a_worker_that_begins_to_consume_when_the_job_is_over_leaves_at_once() {
    let mut cluster = Cluster::start(&[("a", 1)]);
    let proxy = Proxy::holding_back_consumers_of("gorgon.files.", cluster.node().port());
    cluster.start_host_by(proxy.port(), "late", 1);
    cluster.wait_for_listener("late");
    let gate = Gate::open(cluster.home());
    let project = project(cluster.home(), &gate);
    let run = cluster.begin(&project, &[]);
    let visit = gate.next();
    until(
        "the late worker's basic.consume",
        secs(30),
        || match proxy.consumes() {
            1 => Ok(()),
            _ => Err(cluster.logs()),
        },
    );
    visit.release();
    until("end of the file queue", secs(30), || {
        let mut left = cluster.vhost().queues();
        left.retain(|queue| queue.name.starts_with("gorgon.files."));
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
    proxy.let_consume();
    let told = Instant::now();
    run.finished(secs(60)).exited(0).reported(&FILES);
    cluster.assert_nothing_left();
    println!("nothing is left {:?} after the late answer", told.elapsed());
    // A missing queue is the end of the job, and no outage after which one looks for it again.
    assert_eq!(proxy.consumes(), 1);
}
