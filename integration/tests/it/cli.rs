//! Exit codes and messages, as text: scripts and people rely on both.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crossbeam_channel::{RecvTimeoutError, bounded};
use gorgon_broker::{Consume, Declare, Event, Publish};
use gorgon_process::command;
use integration::{cluster::Cluster, gate::Gate, home::Home, project::Project, run};
use serde_json::{Value, json};

use crate::broker_contract::{LIMIT, open, until};

const GREEN: (&str, &str) = (
    "spec/a_spec.rb",
    "RSpec.describe('a') { it('holds') { expect(1).to eq 1 } }\n",
);
const RED: (&str, &str) = (
    "spec/b_spec.rb",
    "RSpec.describe('b') { it('fails') { expect(1).to eq 2 } }\n",
);

/// Runs one of our binaries to its end; returns exit status, stdout, stderr.
fn say(
    home: &Home,
    project: &Project,
    program: &str,
    arguments: &[&str],
    more: &[(&str, &str)],
) -> (i32, String, String) {
    let mut command = home.command(program);
    command
        .args(arguments)
        .current_dir(project.path())
        .envs(more.iter().copied())
        .stdin(Stdio::null());
    finish(command)
}

fn finish(command: Command) -> (i32, String, String) {
    match command::run(command, Duration::from_secs(60), b"") {
        Ok(finished) => (0, finished.stdout, finished.stderr),
        Err(error) => {
            let status = match error.end() {
                Some(gorgon_process::child::End::Exited(status)) => status,
                _ => panic!("{error}: {:?}", error.said()),
            };
            let said = error.said().expect("it ran");
            (status, said.stdout.clone(), said.stderr.clone())
        }
    }
}

#[test]
fn every_way_to_end_has_its_exit_status() {
    let home = Home::new();
    let project = Project::of(&home, &[GREEN, RED]);
    let empty = Project::empty(&home);
    let nobody = [("GORGON_BROKER_URL", "amqp://u:p@127.0.0.1:1/")];
    for (project, arguments, environment, status, said) in [
        (
            &project,
            &["--local=1", "spec/a_spec.rb"][..],
            &[][..],
            0,
            "1 ",
        ),
        (&project, &["--local=1"], &[], 1, "spec/b_spec.rb"),
        (&project, &["--no-such-flag"], &[], 3, "--no-such-flag"),
        (
            &project,
            &["--local=1", "spec/none_spec.rb"],
            &[],
            3,
            "spec/none_spec.rb",
        ),
        (
            &project,
            &["--local=1", "--json", "-", "--junit", "-"],
            &[],
            3,
            "--junit",
        ),
        (&empty, &["--local=1"], &[], 3, "no"),
        (&empty, &[], &[], 3, "no"),
        (
            &project,
            &["--config", "none.json", "--local=1"],
            &[],
            3,
            "none.json",
        ),
        (
            &project,
            &["spec/a_spec.rb"],
            &nobody,
            3,
            "gorgon-originator --local",
        ),
    ] {
        let (seen, stdout, stderr) =
            say(&home, project, "gorgon-originator", arguments, environment);
        assert_eq!(
            seen, status,
            "{arguments:?}\nstdout: {stdout}\nstderr: {stderr}"
        );
        assert!(
            stdout.contains(said) || stderr.contains(said),
            "{arguments:?} does not say {said:?}\nstdout: {stdout}\nstderr: {stderr}"
        );
    }
    home.assert_nothing_left();
}

#[test]
fn a_broken_configuration_is_named_by_line_and_column() {
    let home = Home::new();
    let project = Project::of(
        &home,
        &[
            GREEN,
            (
                "gorgon.json",
                "{\n  \"files\": [\"spec/*\"]\n  \"job\": {}\n}\n",
            ),
        ],
    );
    let (status, _, stderr) = say(&home, &project, "gorgon-originator", &["--local=1"], &[]);
    assert_eq!(status, 3, "{stderr}");
    assert!(stderr.contains("gorgon.json:"), "{stderr}");
    assert!(stderr.contains("comma"), "{stderr}");
}

/// A stripper of comments that does not know strings takes `//` out of a URL, and `/**/` out of a
/// glob: <https://github.com/arturopie/sample_app-1/blob/master/gorgon.json>,
/// <https://github.com/nulogy/Gorgon/blob/master/spec/dummy/gorgon.json>.
#[test]
fn slashes_in_strings_are_no_comments() {
    let home = Home::new();
    let project = Project::fixture(&home, "comments-and-globs");
    run::run(&home, &project, &["--wait", "1"])
        .exited(3)
        .says(&["host broker.example"]);
    run::run(&home, &project, &["--local=2"])
        .exited(0)
        .reported(&["spec/b_spec.rb", "test/unit/deep/a_test.rb"]);
}

#[test]
fn all_programs_tell_version_and_help() {
    let home = Home::new();
    let project = Project::empty(&home);
    for program in [
        "gorgon-originator",
        "gorgon-listener",
        "gorgon-worker-manager",
        "gorgon-worker",
    ] {
        let (status, stdout, _) = say(&home, &project, program, &["--version"], &[]);
        assert_eq!(
            (status, stdout.trim()),
            (
                0,
                format!("{program} {}", env!("CARGO_PKG_VERSION")).as_str()
            )
        );
        let (status, stdout, _) = say(&home, &project, program, &["--help"], &[]);
        assert_eq!(status, 0);
        assert!(stdout.contains("--"), "{program}: {stdout}");
        let (status, ..) = say(&home, &project, program, &["--no-such-flag"], &[]);
        assert_eq!(status, 3, "{program}");
    }
}

#[test]
fn a_broker_that_refuses_is_told_within_ten_seconds() {
    let home = Home::new();
    let project = Project::of(&home, &[GREEN]);
    let start = Instant::now();
    let broker = gorgon_local_broker::LocalBroker::start().expect("a local broker");
    let url = format!(
        "amqp://{}:wrong@127.0.0.1:{}/",
        broker.user(),
        broker.port()
    );
    let (status, _, stderr) = say(
        &home,
        &project,
        "gorgon-originator",
        &[],
        &[("GORGON_BROKER_URL", url.as_str())],
    );
    assert_eq!(status, 3, "{stderr}");
    assert!(stderr.contains("password"), "{stderr}");
    assert!(
        start.elapsed() < Duration::from_secs(11),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_worker_by_hand_prints_what_it_would_send() {
    let home = Home::new();
    let project = Project::of(&home, &[GREEN, RED]);
    let by_hand = |files: &[&str]| {
        let mut arguments = vec!["--workspace", "."];
        arguments.extend(files.iter().flat_map(|file| ["--file", *file]));
        say(&home, &project, "gorgon-worker", &arguments, &[])
    };
    let (status, stdout, stderr) = by_hand(&["spec/a_spec.rb"]);
    assert_eq!(status, 0, "{stdout}{stderr}");
    let (status, stdout, stderr) = by_hand(&["spec/b_spec.rb", "spec/a_spec.rb"]);
    assert_eq!(status, 1, "{stdout}{stderr}");
    let finishes: Vec<serde_json::Value> = stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON lines"))
        .filter(|message: &serde_json::Value| message["action"] == "finish")
        .collect();
    let seen: Vec<_> = finishes
        .iter()
        .map(|finish| (finish["filename"].as_str(), finish["type"].as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            (Some("spec/b_spec.rb"), Some("fail")),
            (Some("spec/a_spec.rb"), Some("pass"))
        ]
    );
    home.assert_nothing_left();
}

#[test]
fn a_line_of_a_file_runs_that_test_alone() {
    let home = Home::new();
    let text = "RSpec.describe('c') do\n  it('one') { expect(1).to eq 1 }\n  it('two') { expect(1).to eq 2 }\nend\n";
    let project = Project::of(&home, &[("spec/c_spec.rb", text)]);
    let run = run::run(&home, &project, &["--local=1", "spec/c_spec.rb:2"]);
    run.exited(0);
    assert_eq!(run.junit().counts()["spec/c_spec.rb"].total(), 1);
    run::run(&home, &project, &["--local=1", "spec/c_spec.rb:3"]).exited(1);
    run::run(&home, &project, &["--local=1", "--", "-e", "one"]).exited(0);
}

#[test]
fn only_failures_runs_what_failed() {
    let home = Home::new();
    let project = Project::of(&home, &[GREEN, RED]);
    run::run(&home, &project, &["--local=1", "--only-failures"]).exited(0);
    run::run(&home, &project, &["--local=1"]).exited(1);
    run::run(&home, &project, &["--local=1", "--only-failures"])
        .exited(1)
        .reported(&["spec/b_spec.rb"]);
    project.write("spec/b_spec.rb", GREEN.1);
    run::run(&home, &project, &["--local=1", "--only-failures"])
        .exited(0)
        .reported(&["spec/b_spec.rb"]);
    run::run(&home, &project, &["--local=1", "--only-failures"]).exited(0);
}

#[test]
fn what_is_missing_is_named_in_a_few_lines_with_what_to_do() {
    let cluster = Cluster::start(&[]);
    let home = cluster.home();
    let config = |more: &str| format!(r#"{{ "files": ["spec/*_spec.rb"]{more} }}"#);
    let none = Project::of(home, &[GREEN, ("gorgon.json", &config(""))]);
    let run = cluster.run(&none, &["--wait", "1"]);
    run.exited(3).says(&["gorgon-listener"]);
    assert!(run.stderr.lines().count() <= 10, "{}", run.stderr);

    let ruby = Project::of(
        home,
        &[
            GREEN,
            ("gorgon.json", &config(r#", "ruby": "no-such-ruby -w""#)),
        ],
    );
    let run = run::run(home, &ruby, &["--local=1"]);
    run.exited(3)
        .says(&["no-such-ruby", "\"ruby\" in gorgon.json says how"]);
    assert!(run.stderr.lines().count() <= 10, "{}", run.stderr);
    assert!(!run.stdout.contains("  \""), "{}", run.stdout);

    let bundler = Project::of(home, &[GREEN, ("Gemfile", "raise 'no such mirror'\n")]);
    let run = run::run(home, &bundler, &["--local=1"]);
    run.exited(3).says(&["no such mirror"]);

    let typo = Project::of(
        home,
        &[GREEN, ("gorgon.json", &config(r#", "retires": 2"#))],
    );
    run::run(home, &typo, &["--local=1"])
        .exited(0)
        .says(&["retires", "retries"]);
    cluster.assert_nothing_left();
}

#[test]
fn a_host_without_ruby_or_whose_bundler_fails_drops_out_and_the_other_does_its_part() {
    let mut cluster = Cluster::start(&[("a", 1)]);
    let tools = cluster.home().path().join("tools");
    std::fs::create_dir(&tools).unwrap();
    let ruby = std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .map(|directory| directory.join("ruby"))
        .find(|path| path.is_file())
        .expect("a Ruby: make setup");
    std::os::unix::fs::symlink(ruby, tools.join("team-ruby")).unwrap();
    cluster.start_host_as("b", 1, &json!({}), |mut command| {
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", tools.display()));
        command
    });
    cluster.wait_for_listener("b");
    let gate = Gate::open(cluster.home());
    let gated =
        "require_relative '../gate'\nRSpec.describe('x') { it('waits') { Gate.pass('x') } }\n";
    let gemfile = "raise 'no such mirror' if Dir.pwd.include?('/run/a/')\ngem 'rspec'\n";
    for (more, gemfile, said) in [
        (r#", "ruby": "team-ruby""#, "", "team-ruby"),
        ("", gemfile, "no such mirror"),
    ] {
        let config = format!(r#"{{ "files": ["spec/*_spec.rb"]{more} }}"#);
        let files = ["spec/a_spec.rb", "spec/c_spec.rb"];
        let project = Project::of(cluster.home(), &files.map(|file| (file, gated)));
        project.write("gorgon.json", &config);
        gate.write_into(&project);
        if !gemfile.is_empty() {
            project.write("Gemfile", gemfile);
        }
        let run = cluster.begin(&project, &[]);
        // Else the other host might be done before it drops out.
        run.event("host_left", |event| {
            event["event"] == "host_left" && event["hostname"] == "a"
        });
        gate.open_until_finished(run)
            .exited(0)
            .reported(&files)
            .says(&["Host 'a' left the job", said]);
        cluster.assert_nothing_left();
    }
}

#[test]
fn a_ping_ends_at_its_limit_however_many_answers_come() {
    let cluster = Cluster::start(&[]);
    let project = Project::empty(cluster.home());
    let declare = vec![
        Declare::fanout("gorgon.jobs"),
        Declare::exclusive_queue("asked"),
        Declare::bind("asked", "gorgon.jobs", ""),
    ];
    let wire = open(
        &cluster.vhost().target(),
        declare,
        vec![Consume::many("asked", 10)],
    );
    let mut ping = cluster.home().command("gorgon-originator");
    ping.args(["ping", "--json"])
        .env("GORGON_BROKER_URL", cluster.url())
        .current_dir(project.path())
        .stdin(Stdio::null());
    let (status, stdout, stderr) = std::thread::scope(|scope| {
        let (over, ended) = bounded(1);
        let start = Instant::now();
        scope.spawn(move || over.send(finish(ping)));
        let asked = until(&wire, |event| match event {
            Event::Delivery(delivery) => Some(delivery.body.clone()),
            _ => None,
        });
        let asked: Value = serde_json::from_slice(&asked).unwrap();
        let (exchange, queue) = (&asked["reply_exchange"], &asked["reply_queue_name"]);
        for tag in 1.. {
            let answer = json!({ "type": "ping_response", "hostname": "h", "listener_id": format!("L{tag}"),
                "version": "0.1.0", "worker_slots": 1, "free": 1, "jobs": [] });
            wire.publish(Publish::to_exchange(
                exchange.as_str().unwrap(),
                queue.as_str().unwrap(),
                answer.to_string(),
                tag,
            ));
            match ended.recv_timeout(Duration::from_millis(200)) {
                Ok(said) => {
                    println!("{tag} answers, {:?}", start.elapsed());
                    return said;
                }
                Err(RecvTimeoutError::Timeout) => while wire.events().try_recv().is_ok() {},
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        panic!("the ping has panicked");
    });
    assert_eq!(status, 0, "{stderr}");
    let told: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(told["hosts"][0]["listener_id"], "L1", "{stdout}");
    wire.close(LIMIT);
}

/// Whoever waits for a report gets one, also where there was no job: a CI that reads nothing else would take a missing
/// report for a green one.
#[test]
fn a_run_without_a_job_writes_its_reports() {
    let cluster = Cluster::start(&[]);
    let home = cluster.home();
    let server = r#"{ "files": ["spec/*_spec.rb"], "file_server": { "host": "127.0.0.1" }, "job": { "sync": { "rsync_transport": "rsync" } } }"#;
    for (config, arguments, status, said) in [
        (
            r#"{ "files": [] }"#,
            &[][..],
            3,
            "`files` in gorgon.json is an empty list",
        ),
        (r#"{ "files": [ }"#, &[], 3, "gorgon.json"),
        ("{}", &["spec/none_spec.rb"], 3, "spec/none_spec.rb"),
        (
            server,
            &[],
            2,
            "push the source to the file server 127.0.0.1",
        ),
    ] {
        let project = Project::of(home, &[GREEN, ("gorgon.json", config)]);
        let run = cluster.run(&project, arguments);
        run.exited(status).says(&[said]);
        let last = run.events.last().expect("an event");
        assert_eq!(last["ending"], "not_begun", "{said}: {last}");
        assert_eq!(last["exit_status"], status, "{said}");
        let why = last["warnings"].to_string();
        assert!(why.contains(said), "{why}");
        let counts = &run.junit().counts()["(job)"];
        assert_eq!((counts.total(), counts.errors), (1, 1), "{said}");
    }
    // Nothing to run is no error.
    let project = Project::of(home, &[GREEN]);
    let run = run::run(home, &project, &["--local=1", "--only-failures"]);
    run.exited(0);
    assert_eq!(run.events.last().expect("an event")["ending"], "complete");
    assert!(run.junit().counts().is_empty());
}
