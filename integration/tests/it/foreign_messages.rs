//! Messages that are none of ours, on every queue and exchange of a job while it runs: they are
//! dropped, and the job and its listener go on.

use std::collections::BTreeSet;

use gorgon_broker::Publish;
use gorgon_proto::names;
use integration::{
    cluster::Cluster,
    gate::Gate,
    project::Project,
    wait::{secs, until},
};

use crate::broker_contract::open;

const GREEN: &str = "RSpec.describe('x') { it('holds') { expect(1).to eq 1 } }\n";
const GATED: &str =
    "require_relative '../gate'\nRSpec.describe('a') { it('waits') { Gate.pass('a') } }\n";
const FILES: [&str; 2] = ["spec/a_spec.rb", "spec/b_spec.rb"];

/// No JSON, JSON of another kind, and messages of ours with a part of a wrong type.
fn foreign() -> Vec<Vec<u8>> {
    let texts = [
        "",
        "{",
        "null",
        "[1]",
        "{}",
        "{\"type\":\"job_definition\",\"job\":7}",
        "{\"type\":\"ping\",\"reply_queue_name\":[]}",
        "{\"action\":\"finish\",\"item\":\"x\"}",
        "{\"action\":\"finish\",\"item\":4000000000,\"attempt\":1,\"type\":\"pass\"}",
        "{\"action\":\"leave_job\",\"x\":1e999}",
        "{\"item\":-1,\"filename\":\"spec/a_spec.rb\"}",
    ];
    let mut all: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    all.push(vec![0xff, 0xfe, 0, 1]);
    all.push(vec![b'['; 200_000]);
    all
}

#[test]
fn what_is_no_message_of_ours_is_dropped_on_every_queue_and_the_job_goes_on() {
    let cluster = Cluster::start(&[("a", 1)]);
    let gate = Gate::open(cluster.home());
    let project = Project::of(cluster.home(), &[(FILES[0], GATED), (FILES[1], GREEN)]);
    gate.write_into(&project);
    let run = cluster.begin(&project, &FILES);
    let visit = gate.next();
    let wire = open(&cluster.vhost().target(), Vec::new(), Vec::new());
    let queues: BTreeSet<String> = cluster
        .vhost()
        .queues()
        .into_iter()
        .map(|q| q.name)
        .collect();
    for kind in ["files", "replies", "originator", "manager", "listener"] {
        let ours = format!("gorgon.{kind}.");
        assert!(
            queues.iter().any(|name| name.starts_with(&ours)),
            "{kind}: {queues:?}"
        );
    }
    let job = run.event("job_started", |_| true)["job"]
        .as_str()
        .unwrap()
        .to_owned();
    let exchanges = [
        names::jobs_exchange(None),
        names::originators_exchange(None),
        names::CONTROL_EXCHANGE.to_owned(),
        names::REPLIES_EXCHANGE.to_owned(),
    ];
    let mut tag = 0;
    for body in foreign() {
        for queue in &queues {
            tag += 1;
            wire.publish(Publish::to_queue(queue, body.as_slice(), tag));
        }
        for exchange in &exchanges {
            tag += 1;
            wire.publish(Publish::to_exchange(exchange, &job, body.as_slice(), tag));
        }
    }
    wire.close(secs(20));
    // All but the file queue and the originator's mark are read while the file runs.
    until("the queues are read", secs(30), || {
        let queues = cluster.vhost().queues();
        let unread = |q: &&integration::rabbit::QueueSeen| {
            q.messages > 0 && !q.name.starts_with("gorgon.files.") && !q.name.ends_with(".mark")
        };
        let unread: Vec<_> = queues
            .iter()
            .filter(unread)
            .map(|q| q.name.clone())
            .collect();
        if unread.is_empty() {
            Ok(())
        } else {
            Err(unread)
        }
    });
    visit.release();
    let run = run.finished(secs(60));
    run.exited(0).reported(&FILES);
    for file in FILES {
        run.verdict(file, "passed");
    }
    // The listener has borne it too.
    cluster.run(&project, &[FILES[1]]).exited(0);
    cluster.assert_nothing_left();
}
