//! What ends a listener, or what it started, or its connection.

use std::process::Stdio;
use std::time::{Duration, Instant};

use gorgon_process::child::{self, End, Options};
use gorgon_process::signals::Signal;
use gorgon_proto::config::{Connection, ListenerConfig};
use integration::gate::{Gate, Visit};
use integration::home::Home;
use integration::processes;
use integration::proxy::Proxy;
use integration::wait::secs;
use serde_json::json;

use super::PASSES;
use super::stage::Stage;

/// Runs one file that waits at a gate.
fn at_the_gate(stage: &mut Stage, gate: &Gate, job: &str) -> Visit {
    gate.write_into(&stage.project);
    let file = "require_relative '../gate'\nRSpec.describe('gate') { it('waits') { Gate.pass('gate') } }\n";
    stage.project.write("spec/gate_spec.rb", file);
    stage.offer(job, &json!({}));
    stage.item(job, 0, "spec/gate_spec.rb");
    gate.next()
}

#[test]
fn a_manager_that_is_killed_is_started_again_twice_and_its_processes_are_gone() {
    let mut stage = Stage::new(&[]);
    let gate = Gate::open(&stage.home);
    stage.start(|_| {}, &[]);
    let visit = at_the_gate(&mut stage, &gate, "j1");
    let mut visit = Some(visit);
    let mut queues = Vec::new();
    for _ in 0..3 {
        let joined = stage.action("host_joined");
        queues.push(joined["manager_queue_name"].as_str().unwrap().to_owned());
        stage.home.process("gorgon-worker-manager").kill_9();
        if let Some(visit) = visit.take() {
            visit.closed();
        }
    }
    let error = stage.left("workers_failed")["error"]["message"].to_string();
    assert!(
        error.contains("died 3 times") && error.contains("SIGKILL"),
        "{error}"
    );
    for queue in &queues {
        stage.has_no_queue(queue);
    }
    stage.no_workspace_is_left();
    stage.stop();
}

#[test]
fn a_listener_that_is_killed_leaves_no_process_and_its_workspace_is_swept_at_the_next_start() {
    let mut stage = Stage::new(&[]);
    let gate = Gate::open(&stage.home);
    stage.start(|_| {}, &[]);
    let visit = at_the_gate(&mut stage, &gate, "j1");
    let listener = stage.listeners.remove(0);
    processes::signal(listener.pid(), "KILL");
    let killed = Instant::now();
    visit.closed();
    stage.home.assert_nothing_left();
    println!(
        "listener killed: no process is left after {:?}",
        killed.elapsed()
    );
    assert!(
        !stage.workspaces().is_empty(),
        "nobody was left to remove it"
    );
    stage.start(|_| {}, &[]);
    stage.no_workspace_is_left();
    stage.stop();
}

#[test]
fn a_listener_that_is_stopped_hands_back_what_runs() {
    let mut stage = Stage::new(&[]);
    let gate = Gate::open(&stage.home);
    stage.start(|_| {}, &[]);
    let visit = at_the_gate(&mut stage, &gate, "j1");
    stage.action("start");
    stage.listeners[0].signal(Signal::Term);
    assert_eq!(stage.action("handed_back")["item"], 0);
    visit.closed();
    stage.left("stopped");
    stage.stop();
    stage.no_workspace_is_left();
}

#[test]
fn a_listener_that_loses_its_connection_announces_itself_and_serves_again() {
    let mut stage = Stage::new(&[PASSES]);
    let proxy = Proxy::to(stage.broker.port());
    stage.start(|config| config.connection.port = proxy.port(), &[]);
    for round in 0..5 {
        proxy.cut();
        stage.heard("announcement", |reply| {
            reply["listener_queue_name"].is_string()
        });
        let job = format!("j{round}");
        stage.offer(&job, &json!({}));
        stage.item(&job, 0, PASSES.0);
        assert_eq!(stage.action("finish")["type"], "pass");
        stage.end(&job);
        stage.left("done");
    }
    stage.stop();
}

#[test]
fn a_broker_that_is_away_is_tried_until_it_is_there() {
    let home = Home::new();
    let path = home.fresh("listener.json");
    let config = ListenerConfig {
        connection: Connection {
            port: 1,
            ..Connection::default()
        },
        ..ListenerConfig::default()
    };
    std::fs::write(&path, config.to_text()).unwrap();
    let mut command = home.command("gorgon-listener");
    command
        .arg("--config")
        .arg(path)
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let listener = child::spawn(command, Options::default()).unwrap();
    assert!(
        listener
            .end()
            .recv_timeout(Duration::from_millis(1500))
            .is_err(),
        "it tries on"
    );
    listener.signal(Signal::Term);
    assert_eq!(listener.end().recv_timeout(secs(20)), Ok(End::Exited(0)));
    home.assert_nothing_left();
}
