//! A broker that goes away for long, for ever, takes no messages, or says nothing.

use std::{net::TcpListener, thread, time::Instant};

use crossbeam_channel::after;
use integration::{
    cluster::Cluster,
    gate::Gate,
    home::Home,
    project::Project,
    run,
    wait::{secs, until},
};

const FILES: [&str; 3] = ["spec/a_spec.rb", "spec/b_spec.rb", "spec/c_spec.rb"];

/// Three files; the first waits at the gate.
fn project(home: &Home, gate: &Gate) -> Project {
    let project = Project::empty(home);
    for (nth, file) in FILES.iter().enumerate() {
        let body = if nth == 0 { "Gate.pass('a')" } else { "" };
        project.write(
            file,
            &format!(
                "require_relative '../gate'\nRSpec.describe('x') {{ it('runs') {{ {body} }} }}\n"
            ),
        );
    }
    gate.write_into(&project);
    project
}

fn all_passed(run: &run::Finished) {
    run.exited(0).reported(&FILES);
    for file in FILES {
        run.verdict(file, "passed");
        assert_eq!(run.file(file)["attempts"], 1, "{:#?}", run.file(file));
    }
}

#[test]
fn a_broker_that_comes_back_after_thirty_seconds_costs_no_attempt() {
    let cluster = Cluster::with_own_broker(&[("a", 1), ("b", 1)]);
    let gate = Gate::open(cluster.home());
    let run = cluster.begin(&project(cluster.home(), &gate), &["spec"]);
    let visit = gate.next();
    run.item_started(FILES[0]);
    cluster.node().stop();
    let _ = after(secs(30)).recv();
    cluster.node().start_again();
    let back = Instant::now();
    visit.release();
    let run = run.finished(secs(120));
    println!("over {:?} after the broker was back", back.elapsed());
    all_passed(&run);
    run.says(&[
        "the broker is away; trying to reconnect",
        "the broker is back",
    ]);
    gate.is_empty();
    cluster.assert_nothing_left();
}

#[test]
fn a_broker_that_stays_away_is_given_up_by_the_originator_and_its_hosts() {
    let cluster = Cluster::with_own_broker(&[("a", 1)]);
    let gate = Gate::open(cluster.home());
    let run = cluster.begin(&project(cluster.home(), &gate), &["spec"]);
    let visit = gate.next();
    run.item_started(FILES[0]);
    cluster.node().kill_9();
    let gone = Instant::now();
    let run = run.finished(secs(180));
    println!("the originator gives up after {:?}", gone.elapsed());
    run.exited(3).says(&[
        "the broker stays away for more than 120 s",
        "spec/a_spec.rb",
    ]);
    visit.closed_within(secs(60));
    println!("the test has ended after {:?}", gone.elapsed());
    // The listener goes on, and serves the next job when the broker is back.
    let listener = cluster.host("a").pid();
    until("end of the job on its host", secs(60), || {
        let mut left = cluster.home().processes();
        left.retain(|process| process.pid != listener);
        if left.is_empty() && cluster.host("a").workspaces().is_empty() {
            Ok(())
        } else {
            Err((left, cluster.logs()))
        }
    });
    println!("nothing is left after {:?}", gone.elapsed());
    cluster.node().start_again();
    cluster.wait_for_listener("a");
    cluster
        .run(&project(cluster.home(), &gate), &[FILES[1]])
        .exited(0);
    // Originator and host gave the job up while the broker was away.
    cluster.assert_nothing_left_but(1);
}

#[test]
fn a_memory_alarm_during_a_job_makes_it_wait_and_the_job_is_complete_afterwards() {
    let cluster = Cluster::with_own_broker(&[("a", 1), ("b", 1)]);
    let gate = Gate::open(cluster.home());
    let run = cluster.begin(&project(cluster.home(), &gate), &["spec"]);
    let visit = gate.next();
    run.item_started(FILES[0]);
    cluster.node().memory_alarm(true);
    visit.release();
    assert!(run.runs_for(secs(20)), "it ended under the alarm");
    cluster.node().memory_alarm(false);
    let off = Instant::now();
    let run = run.finished(secs(60));
    println!("over {:?} after the alarm", off.elapsed());
    all_passed(&run);
    gate.is_empty();
    cluster.assert_nothing_left();
}

#[test]
fn a_broker_that_accepts_and_says_nothing_is_given_up_after_ten_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let accept = move || {
        let _held: Vec<_> = listener.incoming().collect();
    };
    // It ends with the test's process.
    thread::Builder::new()
        .name("silent".into())
        .spawn(accept)
        .unwrap();
    let home = Home::new();
    let project = Project::of(&home, &[(FILES[1], "RSpec.describe('b') {}\n")]);
    let run = run::start_with(&home, &project, &["spec"], |command| {
        command.env("GORGON_BROKER_URL", format!("amqp://u:p@127.0.0.1:{port}/"));
    });
    let run = run.finished(secs(40));
    run.exited(3)
        .says(&["no answer from the broker at 127.0.0.1"]);
    println!("given up after {:?}", run.took);
    home.assert_nothing_left();
}
