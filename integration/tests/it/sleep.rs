//! Ctrl-Z and `fg`, and a laptop that is shut and opened again: time passes, and the run goes on.

use std::time::{Duration, Instant};

use crossbeam_channel::after;
use gorgon_process::signals::Signal;
use integration::{
    cluster::Cluster,
    gate::Gate,
    home::Home,
    processes,
    project::Project,
    run::{self, Finished, Run},
    wait::{secs, until},
};

const FILES: [&str; 3] = ["spec/a_spec.rb", "spec/b_spec.rb", "spec/c_spec.rb"];
/// A laptop sleeps longer than heartbeats, looks and silence limits last.
const SLEEP: Duration = secs(60);
/// Long enough for the shell to be used, short enough for nobody to miss us.
const CTRL_Z: Duration = secs(5);

/// Three files that note each run; the first waits at the gate, and only the first time.
fn project(home: &Home, gate: &Gate) -> Project {
    let project = Project::empty(home);
    let runs = home.path().join("runs");
    for (nth, file) in FILES.iter().enumerate() {
        let gate = if nth == 0 { "Gate.pass('a')" } else { "" };
        project.write(
            file,
            &format!(
                "require_relative '../gate'\nRSpec.describe('x') {{ it('runs') {{ \
                 File.write({runs:?}, \"{file}\\n\", mode: 'a'); {gate} }} }}\n"
            ),
        );
    }
    gate.write_into(&project);
    project
}

/// Sleeps of a test are what it tests: processes that do nothing for so long.
fn for_a_while(time: Duration) {
    let _ = after(time).recv();
}

fn stop_all(pids: &[u32], name: &str) {
    for pid in pids {
        // Another one may have ended meanwhile.
        if processes::runs(*pid) {
            processes::signal(*pid, name);
        }
    }
}

fn state(pid: u32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned());
    fields.unwrap_or_default().chars().take(1).collect()
}

/// Asserts that all passed, each in so many runs.
fn all_passed(run: &Finished, home: &Home, runs: usize) {
    run.exited(0).reported(&FILES);
    for file in FILES {
        run.verdict(file, "passed");
    }
    let text = std::fs::read_to_string(home.path().join("runs")).unwrap();
    assert_eq!(text.lines().count(), runs, "{text}");
}

/// Ctrl-Z stops what the shell started; what that started goes on. `fg` lets it hear what happened.
fn ctrl_z_and_fg(run: &Run) {
    let group = format!("-{}", run.pid());
    let signal = |name: &str| {
        let mut kill = std::process::Command::new("kill");
        kill.args(["-s", name, "--", &group]);
        gorgon_process::command::run(kill, secs(30), b"").unwrap();
    };
    signal("TSTP");
    until("a stopped originator", secs(30), || {
        let state = state(run.pid());
        if state == "T" { Ok(()) } else { Err(state) }
    });
    for_a_while(CTRL_Z);
    signal("CONT");
}

#[test]
fn ctrl_z_and_fg_cost_nothing_but_time_in_place_and_over_rabbitmq() {
    let home = Home::new();
    let gate = Gate::open(&home);
    let run = run::start(&home, &project(&home, &gate), &["--local=2"]);
    let visit = gate.next();
    ctrl_z_and_fg(&run);
    visit.release();
    let run = run.finished(secs(60));
    println!("in place: over after {:?}", run.took);
    all_passed(&run, &home, 3);
    home.assert_nothing_left();

    let cluster = Cluster::start(&[("a", 1), ("b", 1)]);
    let gate = Gate::open(cluster.home());
    let run = cluster.begin(&project(cluster.home(), &gate), &["spec"]);
    let visit = gate.next();
    ctrl_z_and_fg(&run);
    visit.release();
    let run = run.finished(secs(60));
    println!("over RabbitMQ: over after {:?}", run.took);
    all_passed(&run, cluster.home(), 3);
    cluster.assert_nothing_left();
}

#[test]
fn a_laptop_that_sleeps_during_a_run_in_place_goes_on_where_it_was() {
    let home = Home::new();
    let gate = Gate::open(&home);
    let run = run::start(&home, &project(&home, &gate), &["--local=2"]);
    let visit = gate.next();
    let all: Vec<_> = home.processes().iter().map(|it| it.pid).collect();
    assert!(all.contains(&run.pid()) && all.len() >= 6, "{all:?}");
    stop_all(&all, "STOP");
    for_a_while(SLEEP);
    stop_all(&all, "CONT");
    let woken = Instant::now();
    visit.release();
    let run = run.finished(secs(60));
    println!("in place: over {:?} after it woke", woken.elapsed());
    all_passed(&run, &home, 3);
    home.assert_nothing_left();
}

#[test]
fn an_originator_that_sleeps_offers_its_job_again_and_counts_each_file_once() {
    let cluster = Cluster::start(&[("a", 1), ("b", 1)]);
    let gate = Gate::open(cluster.home());
    let run = cluster.begin(&project(cluster.home(), &gate), &["spec"]);
    let visit = gate.next();
    run.signal(Signal::Stop);
    // Its hosts take it for dead after 15 s, and end.
    visit.closed_within(secs(60));
    for_a_while(SLEEP);
    run.signal(Signal::Continue);
    let woken = Instant::now();
    let again = gate.next_within(secs(60)).expect("the file runs again");
    println!("the file runs again {:?} after it woke", woken.elapsed());
    again.release();
    let run = run.finished(secs(60));
    println!("over {:?} after it woke", woken.elapsed());
    run.exited(0).reported(&FILES);
    for file in FILES {
        run.verdict(file, "passed");
    }
    cluster.assert_nothing_left();
}
