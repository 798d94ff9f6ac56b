//! Whatever is killed: every file has one verdict, the run ends, nothing is left.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use gorgon_process::signals::Signal;
use integration::{
    cluster::Cluster,
    gate::{Gate, Visit},
    home::Home,
    processes,
    project::Project,
    rabbit::RabbitMq,
    run::{self, Run},
    wait::{secs, until},
};
use serde_json::Value;

const FILES: [&str; 3] = ["spec/a_spec.rb", "spec/b_spec.rb", "spec/c_spec.rb"];

/// Three files: the first waits at the gate, the others pass.
fn project(home: &Home, gate: &Gate) -> Project {
    let project = Project::of(
        home,
        &[
            ("gorgon.json", r#"{ "files": ["spec/**/*_spec.rb"] }"#),
            (
                FILES[0],
                "require_relative '../gate'\nRSpec.describe('a') { it('waits') { Gate.pass('a') } }\n",
            ),
            (
                FILES[1],
                "RSpec.describe('b') { it('holds') { expect(1).to eq 1 } }\n",
            ),
            (
                FILES[2],
                "RSpec.describe('c') { it('holds') { expect(1).to eq 1 } }\n",
            ),
        ],
    );
    gate.write_into(&project);
    project
}

fn kill_9(pid: u32) {
    processes::signal(pid, "KILL");
}

fn worker_of(start: &Value) -> u32 {
    start["pid"]
        .as_u64()
        .and_then(|pid| pid.try_into().ok())
        .expect("the start tells the worker's pid")
}

/// Tells when something was so, after something was killed; nothing is asserted of times, for a machine may be busy.
struct Clock {
    victim: &'static str,
    killed: Instant,
}

impl Clock {
    fn start(victim: &'static str) -> Self {
        let killed = Instant::now();
        Self { victim, killed }
    }

    fn tell(&self, what: &str) {
        println!(
            "{} killed: {what} after {:?}",
            self.victim,
            self.killed.elapsed()
        );
    }
}

const CHILD_ENDED: &str = "its Ruby child has ended";
const RUNS_ELSEWHERE: &str = "the file runs elsewhere";
const NOTHING_LEFT: &str = "the job is over and nothing is left";

/// Kills the worker that runs the file at the gate, and lets the file pass the second time.
fn kill_the_worker(gate: &Gate, run: &Run) -> Clock {
    let visit = gate.next();
    kill_9(worker_of(&run.item_started(FILES[0])));
    let clock = Clock::start("worker");
    visit.closed();
    clock.tell(CHILD_ENDED);
    let again = gate.next();
    clock.tell(RUNS_ELSEWHERE);
    again.release();
    clock
}

/// Asserts that all three files passed in the end, the first in its second attempt.
fn all_passed(run: &run::Finished) {
    passed_in(run, &[2]);
}

fn passed_in(run: &run::Finished, attempts: &[u64]) {
    run.exited(0).reported(&FILES);
    for file in FILES {
        run.verdict(file, "passed");
    }
    let file = run.file(FILES[0]);
    let counted = file["attempts"].as_u64().expect("attempts are counted");
    assert!(attempts.contains(&counted), "{file:#?}");
}

#[test]
fn a_killed_ruby_child_is_a_crash_of_its_file_alone() {
    for (signal, named) in [("KILL", "SIGKILL"), ("ABRT", "SIGABRT")] {
        let home = Home::new();
        let gate = Gate::open(&home);
        let project = project(&home, &gate);
        let run = run::start(&home, &project, &["--local=1"]);
        let visit = gate.next();
        processes::signal(visit.who.pid, signal);
        let run = run.finished(secs(20));
        run.exited(1).reported(&FILES).says(&[named, "waits"]);
        run.verdict(FILES[0], "crashed")
            .verdict(FILES[1], "passed")
            .verdict(FILES[2], "passed");
        assert_eq!(run.junit().counts()[FILES[0]].errors, 1);
        home.assert_nothing_left();
    }
}

#[test]
fn a_killed_worker_gives_its_file_to_the_next_in_place() {
    let home = Home::new();
    let gate = Gate::open(&home);
    let project = project(&home, &gate);
    let run = run::start(&home, &project, &["--local=2"]);
    let clock = kill_the_worker(&gate, &run);
    all_passed(&run.finished(secs(30)));
    home.assert_nothing_left();
    clock.tell(NOTHING_LEFT);
}

#[test]
fn a_killed_worker_gives_its_file_to_the_next_over_rabbitmq() {
    let cluster = Cluster::start(&[("a", 1), ("b", 1)]);
    let gate = Gate::open(cluster.home());
    let project = project(cluster.home(), &gate);
    let run = cluster.begin(&project, &[]);
    let clock = kill_the_worker(&gate, &run);
    all_passed(&run.finished(secs(30)));
    cluster.assert_nothing_left();
    clock.tell(NOTHING_LEFT);
}

/// Kills what `victim` names while the first file runs, and expects the file to run again.
fn kill_in_place(name: &'static str, attempts: &[u64], victim: impl Fn(&Home, &Visit) -> u32) {
    let home = Home::new();
    let gate = Gate::open(&home);
    let project = project(&home, &gate);
    let run = run::start(&home, &project, &["--local=2"]);
    let visit = gate.next();
    run.item_started(FILES[0]);
    kill_9(victim(&home, &visit));
    let clock = Clock::start(name);
    visit.closed();
    clock.tell(CHILD_ENDED);
    let again = gate.next();
    clock.tell(RUNS_ELSEWHERE);
    again.release();
    passed_in(&run.finished(secs(40)), attempts);
    home.assert_nothing_left();
    clock.tell(NOTHING_LEFT);
}

#[test]
fn a_killed_manager_is_started_again() {
    kill_in_place("manager", &[2], |home, _| {
        home.process("gorgon-worker-manager").pid
    });
}

#[test]
fn a_killed_preloader_is_started_again() {
    kill_in_place("preloader", &[2], |home, _| {
        let manager = home.process("gorgon-worker-manager").pid;
        let all = home.processes();
        let preloader = all
            .iter()
            .find(|it| it.parent == manager && it.arguments.contains("boot.rb"));
        preloader.unwrap_or_else(|| panic!("{all:#?}")).pid
    });
}

#[test]
fn a_killed_branch_of_the_preloader_is_the_end_of_its_children_alone() {
    let home = Home::new();
    let gate = Gate::open(&home);
    let project = project(&home, &gate);
    let run = run::start(&home, &project, &["--local=2"]);
    let visit = gate.next();
    run.item_started(FILES[0]);
    kill_9(visit.who.parent);
    let clock = Clock::start("branch");
    visit.closed();
    clock.tell(CHILD_ENDED);
    // The worker lived on and saw its child end with the preloader: whether that is the file's crash or a lost attempt
    // is told by the verdict, and either way the others run.
    let run = gate.open_until_finished(run);
    let file = run.file(FILES[0]);
    clock.tell(&format!(
        "{}, attempt {}, over",
        file["type"], file["attempts"]
    ));
    run.reported(&FILES);
    run.verdict(FILES[1], "passed").verdict(FILES[2], "passed");
    home.assert_nothing_left();
    clock.tell(NOTHING_LEFT);
}

#[test]
fn a_killed_listener_of_a_local_run_is_started_again() {
    // Its manager may live long enough to hand the file back, which costs no attempt.
    kill_in_place("local listener", &[1, 2], |home, _| {
        home.process("gorgon-listener").pid
    });
}

#[test]
fn a_killed_originator_takes_a_local_run_with_it() {
    let home = Home::new();
    let gate = Gate::open(&home);
    let project = project(&home, &gate);
    let run = run::start(&home, &project, &["--local=1"]);
    let visit = gate.next();
    kill_9(run.pid());
    let clock = Clock::start("local originator");
    visit.closed();
    clock.tell(CHILD_ENDED);
    until("end of all processes", secs(10), || {
        let left = home.processes();
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
    clock.tell("no process is left");
}

#[test]
fn a_killed_manager_and_a_killed_listener_cost_a_team_an_attempt() {
    // A manager that loses its listener hands its files back, if it is in time: that costs no attempt.
    let victims: [(&'static str, &[u64]); 2] = [
        ("gorgon-worker-manager", &[2]),
        ("gorgon-listener", &[1, 2]),
    ];
    for (victim, attempts) in victims {
        let mut cluster = Cluster::start(&[("a", 1)]);
        let gate = Gate::open(cluster.home());
        let project = project(cluster.home(), &gate);
        let run = cluster.begin(&project, &[]);
        let visit = gate.next();
        run.item_started(FILES[0]);
        // The other host soon has a manager too.
        let killed = if victim == "gorgon-listener" {
            cluster.host("a").pid()
        } else {
            cluster.home().process(victim).pid
        };
        cluster.start_host("b", 1, &serde_json::json!({}));
        cluster.wait_for_listener("b");
        kill_9(killed);
        let clock = Clock::start(victim);
        visit.closed();
        clock.tell(CHILD_ENDED);
        let again = gate.next_within(secs(40));
        let again =
            again.unwrap_or_else(|| panic!("the file never ran again: {:#?}", cluster.logs()));
        clock.tell(RUNS_ELSEWHERE);
        again.release();
        passed_in(&run.finished(secs(60)), attempts);
        if victim == "gorgon-listener" {
            // Nobody was left to remove its workspace but the next listener.
            cluster.restart_host("a");
            cluster.wait_for_listener("a");
        }
        cluster.assert_nothing_left();
        clock.tell(NOTHING_LEFT);
    }
}

#[test]
fn a_listener_that_starts_anew_leaves_a_dying_jobs_workspace_to_it() {
    let mut cluster = Cluster::start(&[("a", 1)]);
    let gate = Gate::open(cluster.home());
    let project = project(cluster.home(), &gate);
    project.write(
        "gorgon.json",
        r#"{ "files": ["spec/**/*_spec.rb"], "job": { "callbacks": { "after_complete": "after.rb" } } }"#,
    );
    project.write("after.rb", "require_relative 'gate'\nGate.pass('end')\n");
    let run = cluster.begin(&project, &[FILES[1], FILES[0]]);
    let test = gate.next();
    let workspace = PathBuf::from(&test.who.directory);
    run.item_started(FILES[0]);
    cluster.restart_host("a");
    test.closed();
    // The old job is at its end when the new listener has swept and takes jobs.
    let end = gate.next();
    assert_eq!(
        (end.who.name.as_str(), Path::new(&end.who.directory)),
        ("end", workspace.as_path())
    );
    cluster.wait_for_listener("a");
    assert!(workspace.exists(), "swept: {}", cluster.host("a").log());
    end.release();
    gate.open_until_finished(run)
        .exited(0)
        .reported(&FILES[..2]);
    cluster.assert_nothing_left();
}

/// Runs one more job of a file that needs no gate.
fn run_one_more(cluster: &Cluster, gate: &Gate) {
    let project = project(cluster.home(), gate);
    cluster
        .run(&project, &[FILES[1]])
        .exited(0)
        .reported(&FILES[1..2]);
}

#[test]
fn a_killed_originator_leaves_nothing_on_its_hosts() {
    let cluster = Cluster::start(&[("a", 1)]);
    let gate = Gate::open(cluster.home());
    let project = project(cluster.home(), &gate);
    let run = cluster.begin(&project, &[]);
    let visit = gate.next();
    kill_9(run.pid());
    let clock = Clock::start("originator");
    visit.closed_within(secs(40));
    clock.tell(CHILD_ENDED);
    let listener = cluster.host("a").pid();
    until("end of the job on its host", secs(20), || {
        let mut left = cluster.home().processes();
        left.retain(|process| process.pid != listener);
        if left.is_empty() && cluster.host("a").workspaces().is_empty() {
            Ok(())
        } else {
            Err((left, cluster.logs()))
        }
    });
    clock.tell("nothing is left on its host");
    // The hosts are clean by themselves; what the killed one had in its own TMPDIR is swept by the next one.
    run_one_more(&cluster, &gate);
    cluster.assert_nothing_left();
}

#[test]
fn a_listener_that_is_stopped_hands_its_file_back() {
    let mut cluster = Cluster::start(&[("a", 1)]);
    let gate = Gate::open(cluster.home());
    let project = project(cluster.home(), &gate);
    let run = cluster.begin(&project, &[]);
    let visit = gate.next();
    run.item_started(FILES[0]);
    cluster.start_host("b", 1, &serde_json::json!({}));
    cluster.wait_for_listener("b");
    cluster.host("a").signal(Signal::Term);
    visit.closed();
    assert_eq!(
        cluster.host("a").ended(secs(15)),
        gorgon_process::child::End::Exited(0)
    );
    gate.next().release();
    let run = run.finished(secs(60));
    run.exited(0).reported(&FILES).verdict(FILES[0], "passed");
    // Handing back is no loss: the file is still in its first attempt.
    assert_eq!(
        run.file(FILES[0])["attempts"],
        1,
        "{:#?}",
        run.file(FILES[0])
    );
}

/// Does something to the broker while the first file runs; all must end complete, each file once.
fn disturb_the_broker(disturb: impl Fn(&'static RabbitMq)) {
    let cluster = Cluster::with_own_broker(&[("a", 1), ("b", 1)]);
    let gate = Gate::open(cluster.home());
    let project = project(cluster.home(), &gate);
    let run = cluster.begin(&project, &[]);
    let visit = gate.next();
    run.item_started(FILES[0]);
    disturb(cluster.node());
    visit.release();
    let run = run.finished(secs(90));
    run.exited(0).reported(&FILES);
    // A broker's outage is nobody's fault: it costs no attempt, whoever ran the file in the end.
    for file in FILES {
        run.verdict(file, "passed");
    }
    gate.is_empty();
    cluster.assert_nothing_left();
}

#[test]
fn a_broker_that_restarts_costs_nothing_but_time() {
    disturb_the_broker(RabbitMq::restart);
}

#[test]
fn a_broker_that_is_killed_costs_nothing_but_time() {
    disturb_the_broker(|node| {
        node.kill_9();
        node.start_again();
    });
}

#[test]
fn connections_that_the_broker_closes_are_made_again() {
    disturb_the_broker(RabbitMq::close_connections);
}
