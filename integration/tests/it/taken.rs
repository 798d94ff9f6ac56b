//! What a broker takes away without a word, and hosts that look alike to it.

use std::{collections::BTreeSet, time::Duration};

use gorgon_broker::{Connections, Consume, Declare, Patience, Session, Setup};
use gorgon_process::signals::Signal;
use gorgon_proto::{job::JobId, names};
use integration::{
    cluster::Cluster,
    gate::Gate,
    home::Home,
    project::Project,
    rabbit::Vhost,
    run::{Finished, Run},
    wait::{secs, until},
};

const GREEN: &str = "RSpec.describe('x') { it('holds') { expect(1).to eq 1 } }\n";
const GATED: &str =
    "require_relative '../gate'\nRSpec.describe('a') { it('waits') { Gate.pass('a') } }\n";
const FILES: [&str; 4] = [
    "spec/a_spec.rb",
    "spec/b_spec.rb",
    "spec/c_spec.rb",
    "spec/d_spec.rb",
];

/// Four files; the first so many wait at the gate.
fn project(home: &Home, gate: &Gate, gated: usize) -> Project {
    let text = |nth| if nth < gated { GATED } else { GREEN };
    let files: Vec<_> = FILES
        .iter()
        .enumerate()
        .map(|(nth, file)| (*file, text(nth)))
        .collect();
    let project = Project::of(home, &files);
    gate.write_into(&project);
    project
}

fn job_of(run: &Run) -> JobId {
    let started = run.event("job_started", |_| true);
    JobId(started["job"].as_str().unwrap().to_owned())
}

fn all_passed(run: &Finished) {
    run.exited(0).reported(&FILES);
    for file in FILES {
        run.verdict(file, "passed");
    }
}

/// Somebody who has a connection of their own to the virtual host.
fn somebody(vhost: &Vhost<'_>, declare: Vec<Declare>, consume: Vec<Consume>) -> Session {
    let setup = Setup {
        role: "somebody else".to_owned(),
        declare,
        consume,
        connections: Connections::One,
        ..Setup::default()
    };
    Session::open(&vhost.target(), setup, Patience::Limit(secs(30))).unwrap()
}

/// An administrator purges the queue while the job runs.
/// <https://github.com/celery/celery/issues/3023>
#[test]
fn items_that_somebody_purged_run_all_the_same() {
    let cluster = Cluster::start(&[("a", 1)]);
    let gate = Gate::open(cluster.home());
    let run = cluster.begin(&project(cluster.home(), &gate, 1), &["spec"]);
    let visit = gate.next();
    let files = names::file_queue(&job_of(&run));
    let somebody = somebody(cluster.vhost(), Vec::new(), Vec::new());
    somebody.purge(&files);
    until("purge", secs(30), || {
        let queues = cluster.vhost().queues();
        let left = queues
            .iter()
            .find(|queue| queue.name == files)
            .map(|queue| queue.messages);
        // The one at the gate is not acknowledged.
        if left == Some(1) { Ok(()) } else { Err(queues) }
    });
    visit.release();
    let run = run.finished(Duration::from_secs(60));
    all_passed(&run);
    assert_eq!(run.events("item_redelivered").len(), 3);
    drop(somebody);
    cluster.assert_nothing_left();
}

/// A policy for all queues of the broker, made for other ones.
/// <https://github.com/nanit/kubernetes-rabbitmq-cluster/pull/45>, <https://github.com/rabbitmq/rabbitmq-server/issues/2313>
#[test]
fn a_policy_that_drops_messages_loses_no_item() {
    for rule in ["{<<\"max-length\">>, 1}", "{<<\"message-ttl\">>, 1}"] {
        let cluster = Cluster::start(&[("a", 1), ("b", 1)]);
        let vhost = cluster.vhost().name();
        cluster.node().eval(&format!(
            "ok = rabbit_policy:set(<<\"{vhost}\">>, <<\"all\">>, <<\"^gorgon.files\">>, [{rule}], 0, <<\"queues\">>, <<\"gorgon\">>)."
        ));
        let gate = Gate::open(cluster.home());
        let run = cluster.begin(&project(cluster.home(), &gate, 0), &["spec"]);
        all_passed(&run.finished(Duration::from_secs(90)));
        cluster.assert_nothing_left();
    }
}

/// After a cut link the broker holds the old connection for three heartbeats more.
/// <https://github.com/metricq/metricq-python/issues/25>, <https://github.com/rabbitmq/rabbitmq-amqp-java-client/issues/398>
#[test]
fn no_queue_of_an_originator_is_locked_by_its_old_connection() {
    let mut cluster = Cluster::start(&[("a", 1)]);
    let gate = Gate::open(cluster.home());
    let run = cluster.begin(&project(cluster.home(), &gate, 1), &["spec"]);
    let visit = gate.next();
    let own = names::originator_queue(&job_of(&run));
    let again =
        Declare::expiring_queue(&own, Duration::from_millis(names::QUEUE_EXPIRES_MS.into()));
    // What a reconnecting originator does while its old connection still stands.
    let other = somebody(cluster.vhost(), vec![again], vec![Consume::many(own, 10)]);
    drop(other);
    cluster.start_host("late", 1, &serde_json::json!({}));
    run.event("host_joined", |event| event["hostname"] == "late");
    visit.release();
    all_passed(&run.finished(Duration::from_secs(60)));
    cluster.assert_nothing_left();
}

#[test]
fn a_host_that_starts_late_is_heard_after_the_queue_for_it_was_deleted() {
    let mut cluster = Cluster::start(&[("a", 1)]);
    let gate = Gate::open(cluster.home());
    let run = cluster.begin(&project(cluster.home(), &gate, 1), &["spec"]);
    let visit = gate.next();
    let own = names::originator_queue(&job_of(&run));
    // The host announces itself before the queue is made anew.
    run.signal(Signal::Stop);
    let other = somebody(cluster.vhost(), vec![], vec![]);
    other.delete_queue(&own);
    other.close(secs(5));
    cluster.start_host("late", 1, &serde_json::json!({}));
    cluster.wait_for_listener("late");
    run.signal(Signal::Continue);
    run.event("host_joined", |event| event["hostname"] == "late");
    visit.release();
    all_passed(&run.finished(Duration::from_secs(60)));
    cluster.assert_nothing_left();
}

/// Machines that were cloned, containers that are all called alike; these share their disk too.
/// <https://github.com/hysds/hysds/issues/17>, <https://github.com/apache/airflow/pull/58591>
#[test]
fn hosts_of_one_name_are_two_hosts() {
    let cluster = Cluster::start(&[("twin", 1), ("twin", 1)]);
    let gate = Gate::open(cluster.home());
    for kills in [false, true] {
        let run = cluster.begin(&project(cluster.home(), &gate, 2), &["spec"]);
        let (one, other) = (gate.next(), gate.next());
        assert_ne!(one.who.directory, other.who.directory);
        let starts = [FILES[0], FILES[1]].map(|file| run.item_started(file));
        let listeners: BTreeSet<_> = starts
            .iter()
            .map(|start| start["listener_id"].to_string())
            .collect();
        assert_eq!(listeners.len(), 2, "{starts:?}");
        if kills {
            let worker = u32::try_from(starts[0]["pid"].as_u64().unwrap()).unwrap();
            integration::processes::signal(worker, "KILL");
            let again = gate.next();
            again.release();
            one.release();
            other.release();
        } else {
            one.release();
            other.release();
        }
        all_passed(&run.finished(Duration::from_secs(60)));
    }
    cluster.assert_nothing_left();
}
