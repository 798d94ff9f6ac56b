//! Hosts on machines of their own, whose link is cut and mended.

use std::time::Instant;

use integration::{
    cluster::Cluster,
    gate::Gate,
    machine::Machine,
    project::Project,
    run::Run,
    wait::{secs, until},
};
use serde_json::json;

const FILES: [&str; 2] = ["spec/a_spec.rb", "spec/b_spec.rb"];

/// A cluster whose one host, `far`, is on another machine; a file waits there at the gate.
struct Far {
    cluster: Cluster,
    gate: Gate,
    project: Project,
}

impl Far {
    fn new() -> Self {
        let mut cluster = Cluster::for_other_machines();
        let gate = Gate::open(cluster.home());
        let project = Project::of(
            cluster.home(),
            &[
                ("gorgon.json", r#"{ "files": ["spec/*_spec.rb"] }"#),
                (
                    FILES[0],
                    "require_relative '../gate'\nRSpec.describe('a') { it('waits') { Gate.pass(`hostname`.strip) } }\n",
                ),
                (
                    FILES[1],
                    "RSpec.describe('b') { it('holds') { expect(1).to eq 1 } }\n",
                ),
            ],
        );
        gate.write_into(&project);
        cluster.start_host_on(Machine::new("far"), 1);
        cluster.wait_for_listener("far");
        Self {
            cluster,
            gate,
            project,
        }
    }

    fn begin(&self) -> Run {
        self.cluster.begin(&self.project, &[])
    }

    fn machine(&self) -> &Machine {
        self.cluster.host("far").machine()
    }

    fn start_near(&mut self) {
        self.cluster.start_host("near", 1, &json!({}));
        self.cluster.wait_for_listener("near");
    }

    /// Waits until the far host's manager hears from the broker again.
    fn far_is_back(&self, since: &str) {
        until(since, secs(60), || {
            let queues = self.cluster.vhost().queues();
            let managers: Vec<_> = queues
                .iter()
                .filter(|queue| {
                    queue.name.starts_with("gorgon.manager.") && !queue.name.contains(".listener-")
                })
                .collect();
            if managers.len() == 2 && managers.iter().all(|queue| queue.consumers > 0) {
                Ok(())
            } else {
                Err((queues.clone(), self.cluster.logs()))
            }
        });
    }
}

#[test]
fn a_host_that_is_cut_off_gives_its_file_to_another_and_ends_its_job_when_it_is_back() {
    let mut far = Far::new();
    let run = far.begin();
    let there = far.gate.next();
    assert_eq!(there.who.name, "far", "it runs on the other machine");
    run.item_started(FILES[0]);
    far.start_near();
    far.machine().cut();
    let cut = Instant::now();
    let again = far
        .gate
        .next_within(secs(60))
        .expect("the file runs elsewhere");
    println!("the file runs elsewhere {:?} after the cut", cut.elapsed());
    again.release();
    let finished = run.finished(secs(60));
    finished
        .exited(0)
        .reported(&FILES)
        .verdict(FILES[0], "passed");
    assert_eq!(finished.file(FILES[0])["hostname"], "near");
    let ended = Instant::now();
    far.machine().mend();
    there.closed_within(secs(60));
    far.cluster.assert_nothing_left();
    println!(
        "nothing is left {:?} after the link is mended, {:?} after the cut",
        ended.elapsed(),
        cut.elapsed()
    );
}

#[test]
fn a_host_that_comes_back_reports_its_file_and_nobody_reports_it_twice() {
    let mut far = Far::new();
    let run = far.begin();
    let there = far.gate.next();
    run.item_started(FILES[0]);
    far.start_near();
    far.machine().cut();
    let cut = Instant::now();
    let again = far
        .gate
        .next_within(secs(60))
        .expect("the file runs elsewhere");
    println!("the file runs elsewhere {:?} after the cut", cut.elapsed());
    let mended = Instant::now();
    far.machine().mend();
    far.far_is_back("the far host's return");
    println!(
        "the host is back {:?} after the link is mended",
        mended.elapsed()
    );
    there.release();
    let first = run.event("finish of the first attempt", |event| {
        event["event"] == "item_finished" && event["filename"] == FILES[0]
    });
    assert_eq!(first["hostname"], "far", "the first finish counts");
    again.release();
    let finished = run.finished(secs(60));
    finished
        .exited(0)
        .reported(&FILES)
        .verdict(FILES[0], "passed");
    far.cluster.assert_nothing_left();
}

#[test]
fn a_job_goes_on_after_a_cut_link_and_a_restart_of_the_broker() {
    let mut far = Far::new();
    let run = far.begin();
    let there = far.gate.next();
    run.item_started(FILES[0]);
    far.start_near();
    far.machine().cut();
    let again = far
        .gate
        .next_within(secs(60))
        .expect("the file runs elsewhere");
    far.machine().mend();
    far.far_is_back("the far host's return");
    let restarted = Instant::now();
    far.cluster.node().restart();
    far.far_is_back("the far host's return after the restart");
    println!(
        "the host is back {:?} after the broker was told to restart",
        restarted.elapsed()
    );
    there.release();
    let first = run.event("finish of the first attempt", |event| {
        event["event"] == "item_finished" && event["filename"] == FILES[0]
    });
    assert_eq!(first["hostname"], "far", "the first finish counts");
    again.release();
    let finished = run.finished(secs(60));
    finished.exited(0).reported(&FILES);
    for file in FILES {
        finished.verdict(file, "passed");
    }
    far.cluster.assert_nothing_left();
}

#[test]
fn a_link_that_is_cut_for_a_moment_costs_no_attempt() {
    let far = Far::new();
    let run = far.begin();
    let there = far.gate.next();
    run.item_started(FILES[0]);
    far.machine().cut();
    far.machine().mend();
    there.release();
    let finished = run.finished(secs(60));
    finished
        .exited(0)
        .reported(&FILES)
        .verdict(FILES[0], "passed");
    assert_eq!(finished.file(FILES[0])["attempts"], 1);
    far.gate.is_empty();
    far.cluster.assert_nothing_left();
}
