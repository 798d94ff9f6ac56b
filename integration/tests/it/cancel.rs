//! Ctrl-C: the terminal comes back at once, and nothing that ran goes on.

use std::{
    fs, io,
    net::TcpListener,
    process::{Command, Stdio},
    time::Instant,
};

use gorgon_process::{
    child::{self, End, Options},
    signals::Signal,
};
use integration::{
    cluster::Cluster,
    gate::Gate,
    home::Home,
    project::Project,
    run::{self, Finished, RUN_LIMIT, Run},
    wait::{secs, until},
};

const FAILED: &str = "RSpec.describe('a') { it('fails') { expect(1).to eq 2 } }\n";
const GATED: &str =
    "require_relative '../gate'\nRSpec.describe('g') { it('waits') { Gate.pass('g') } }\n";

/// A file that fails, one that waits at the gate, and some that will not be reached.
fn project(home: &Home, gate: &Gate) -> Project {
    let project = Project::of(
        home,
        &[
            ("spec/a_spec.rb", FAILED),
            ("spec/b_spec.rb", GATED),
            ("gorgon.json", r#"{ "failed_files": "failed.json" }"#),
        ],
    );
    for name in ["c", "d", "e"] {
        project.write(
            &format!("spec/{name}_spec.rb"),
            &GATED.replace("'g'", &format!("'{name}'")),
        );
    }
    gate.write_into(&project);
    project
}

const FILES: [&str; 5] = [
    "spec/a_spec.rb",
    "spec/b_spec.rb",
    "spec/c_spec.rb",
    "spec/d_spec.rb",
    "spec/e_spec.rb",
];

/// Others came back without a word of what had run, and left processes behind:
/// <https://github.com/grosser/parallel_tests/issues/385>, <https://github.com/grosser/parallel_tests/issues/523>.
fn cancelled(project: &Project, run: &Finished) {
    // JUnit has what has a result; what was cut off and what never ran is named in the summary.
    run.exited(130).reported(&FILES[..1]).says(&FILES);
    run.says(&["File 'spec/a_spec.rb' failed", "expected: 2"]);
    let (_, rest) = run
        .stdout
        .split_once("Unfinished files (1):\n  spec/b_spec.rb")
        .expect("what ran");
    let (_, rest) = rest.split_once("Files not run (3):").expect("what did not");
    assert!(FILES[2..].iter().all(|file| rest.contains(file)), "{rest}");
    assert_eq!(run.junit().faults, [""; 0]);
    let failed: Vec<String> = serde_json::from_str(&project.read("failed.json")).expect("a list");
    assert!(
        FILES[..2]
            .iter()
            .all(|file| failed.iter().any(|name| name == file)),
        "{failed:?}"
    );
    run.verdict("spec/a_spec.rb", "failed");
    assert_eq!(run.junit().counts()["spec/a_spec.rb"].failed, 1);
    let last = run.events.last().expect("a last event");
    assert_eq!(last["event"], "job_finished", "{last}");
}

fn files() -> Vec<&'static str> {
    FILES.to_vec()
}

fn cancel(gate: &Gate, run: &Run, signal: Signal) {
    let visit = gate.next();
    run.event("finish of a", |event| event["event"] == "item_finished");
    // It is told a moment after it is so.
    run.item_started(FILES[1]);
    run.signal(signal);
    visit.closed();
}

#[test]
fn each_signal_ends_a_run_in_place_and_says_what_ran() {
    for signal in [Signal::Int, Signal::Term, Signal::Hup] {
        let home = Home::new();
        let gate = Gate::open(&home);
        let project = project(&home, &gate);
        let run = run::start(&home, &project, &[&["--local=1"], &files()[..]].concat());
        cancel(&gate, &run, signal);
        let run = run.finished(RUN_LIMIT);
        cancelled(&project, &run);
        gate.is_empty();
        home.assert_nothing_left();
    }
}

#[test]
fn ctrl_c_ends_the_job_on_its_hosts_too() {
    let cluster = Cluster::start(&[("a", 1)]);
    let gate = Gate::open(cluster.home());
    let project = project(cluster.home(), &gate);
    let run = cluster.begin(&project, &files());
    cancel(&gate, &run, Signal::Int);
    let run = run.finished(RUN_LIMIT);
    cancelled(&project, &run);
    gate.is_empty();
    cluster.assert_nothing_left();
}

#[test]
fn a_test_that_resists_is_killed() {
    let home = Home::new();
    let gate = Gate::open(&home);
    let stubborn = "require_relative '../gate'\nRSpec.describe('s') { it('resists') {
      %w[INT TERM HUP].each { |name| trap(name) {} }
      begin; Gate.pass('s'); rescue Exception; retry; end } }\n";
    let project = Project::of(&home, &[("spec/s_spec.rb", stubborn)]);
    gate.write_into(&project);
    let run = run::start(&home, &project, &["--local=1"]);
    let visit = gate.next();
    run.signal(Signal::Int);
    visit.closed();
    run.finished(secs(20)).exited(130);
    home.assert_nothing_left();
}

#[test]
fn a_second_ctrl_c_skips_the_graces() {
    let home = Home::new();
    let gate = Gate::open(&home);
    let slow = "class C < Gorgon::DefaultCallbacks
      def after_complete; require_relative 'gate'; Gate.pass('after_complete'); end
    end
    Gorgon.callbacks = C.new\n";
    let config = r#"{ "job": { "callbacks": { "callbacks_class_file": "callbacks.rb" } } }"#;
    let project = Project::of(
        &home,
        &[
            ("spec/b_spec.rb", GATED),
            ("callbacks.rb", slow),
            ("gorgon.json", config),
        ],
    );
    gate.write_into(&project);
    let run = run::start(&home, &project, &["--local=1"]);
    let test = gate.next();
    let cancelled = Instant::now();
    run.signal(Signal::Int);
    test.closed();
    let callback = gate.next();
    assert_eq!(callback.who.name, "after_complete");
    run.signal(Signal::Int);
    callback.closed();
    // By itself a cancelled job gives it five seconds.
    assert!(cancelled.elapsed() < secs(5), "{:?}", cancelled.elapsed());
    run.finished(RUN_LIMIT).exited(130);
    home.assert_nothing_left();
}

#[test]
fn a_run_under_nohup_outlives_its_terminal() {
    let home = Home::new();
    let gate = Gate::open(&home);
    let project = Project::of(&home, &[("spec/b_spec.rb", GATED)]);
    gate.write_into(&project);
    let originator = home.command("gorgon-originator");
    let mut nohup = Command::new("nohup");
    nohup
        .arg(originator.get_program())
        .arg("--local=1")
        .env_clear()
        .envs(home.environment())
        .current_dir(project.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let run = child::spawn(nohup, Options::default()).expect("start the originator");
    let visit = gate.next();
    run.signal_group(Signal::Hup);
    visit.release();
    assert_eq!(run.end().recv_timeout(RUN_LIMIT), Ok(End::Exited(0)));
    home.assert_nothing_left();
}

/// To kill it would leave behind what the application puts away itself, once it is asked.
#[test]
fn an_application_that_still_loads_is_interrupted() {
    let home = Home::new();
    let gate = Gate::open(&home);
    let loads = "class C < Gorgon::DefaultCallbacks
      def before_creating_workers
        require_relative 'gate'
        Gate.pass('load')
      ensure
        File.write('put_away', '')
      end
    end
    Gorgon.callbacks = C.new\n";
    let config = r#"{ "job": { "callbacks": { "callbacks_class_file": "callbacks.rb" } } }"#;
    let project = Project::of(
        &home,
        &[
            ("spec/b_spec.rb", GATED),
            ("callbacks.rb", loads),
            ("gorgon.json", config),
        ],
    );
    gate.write_into(&project);
    let run = run::start(&home, &project, &["--local=1"]);
    let load = gate.next();
    run.signal(Signal::Int);
    load.closed();
    run.finished(secs(10)).exited(130);
    assert_eq!(project.read("put_away"), "");
    gate.is_empty();
    home.assert_nothing_left();
}

#[test]
fn ctrl_c_does_not_wait_for_a_broker_that_says_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("a port").port();
    let home = Home::new();
    let project = Project::of(&home, &[("spec/a_spec.rb", FAILED)]);
    let run = run::start_with(&home, &project, &["spec"], |command| {
        command.env("GORGON_BROKER_URL", format!("amqp://u:p@127.0.0.1:{port}/"));
    });
    let (_silent, _) = listener.accept().expect("the originator");
    run.signal(Signal::Int);
    let run = run.finished(secs(20));
    run.exited(130);
    assert!(
        run.stderr.contains("cancelled before the job began"),
        "{}",
        run.stderr
    );
    home.assert_nothing_left();
}

#[test]
fn a_full_pipe_that_nobody_reads_holds_no_ctrl_c_up() {
    let home = Home::new();
    let spec =
        "RSpec.describe('many') { 2000.times { |n| it(\"does #{n}\") { expect(1).to eq 1 } } }\n";
    let project = Project::of(&home, &[("spec/a_spec.rb", spec), ("spec/b_spec.rb", spec)]);
    for option in ["--json", "--junit"] {
        let (unread, full) = io::pipe().expect("a pipe");
        let mut command = home.command("gorgon-originator");
        command
            .args(["--local=1", option, "-"])
            .current_dir(project.path())
            .stdin(Stdio::null())
            .stdout(full)
            .stderr(Stdio::null());
        let run = child::spawn(command, Options::default()).expect("start the originator");
        until("a writer that waits", secs(30), || {
            let waits_in = fs::read_to_string(format!("/proc/{}/wchan", run.pid()));
            match waits_in {
                Ok(name) if name.contains("pipe_write") => Ok(()),
                seen => Err(seen),
            }
        });
        run.signal_group(Signal::Int);
        assert_eq!(run.end().recv_timeout(secs(30)), Ok(End::Exited(130)));
        home.assert_nothing_left();
        drop(unread);
    }
}
