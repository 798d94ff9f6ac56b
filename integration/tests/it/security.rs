//! What a message may not do, who may publish one, and where no secret stands.

mod modes;
mod paths;
mod permissions;
mod secrets;
mod signatures;
mod tls;

use std::{fs, os::unix::fs::symlink, path::PathBuf, process::Stdio, time::Duration};

use gorgon_broker::{Declare, Patience, Publish, Session, Setup};
use gorgon_process::child::End;
use gorgon_proto::item::{ItemId, WorkItem};
use integration::{cluster::Cluster, home::Home, project::Project, run};
use serde_json::{Value, json};

const GREEN: &str = "RSpec.describe('a') { it('holds') { expect(1).to eq 1 } }\n";

/// A project beside a file that nobody is to run, with names that lead to it, or further.
struct Outside {
    project: Project,
    trace: PathBuf,
    names: Vec<String>,
}

impl Outside {
    fn new(home: &Home) -> Self {
        let project = Project::of(home, &[("spec/a_spec.rb", GREEN)]);
        let trace = home.path().join("trace");
        let evil = home.path().join("run/outside_spec.rb");
        fs::write(&evil, format!("File.write({trace:?}, 'x')\n")).unwrap();
        symlink(&evil, project.path().join("spec/link_spec.rb")).unwrap();
        let names = [
            "../outside_spec.rb",
            evil.to_str().unwrap(),
            "spec/../../outside_spec.rb",
            "spec/link_spec.rb",
            &format!("$(touch {})", trace.display()),
            "-rboom",
            "spec",
            "spec/a_spec.rb",
        ];
        let names = names.map(str::to_owned).to_vec();
        Self {
            project,
            trace,
            names,
        }
    }

    /// Asserts that all but the last were refused, each with one line, and that nothing was read.
    fn check(&self, printed: &str) {
        let finishes: Vec<Value> = printed
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|message| message["action"] == "finish")
            .collect();
        let names: Vec<_> = finishes
            .iter()
            .map(|f| f["filename"].as_str().unwrap())
            .collect();
        assert_eq!(names, self.names, "{printed}");
        for finish in &finishes[..finishes.len() - 1] {
            assert_eq!(finish["type"], "fail", "{finish:#}");
            assert_eq!(finish["tests"], json!([]), "{finish:#}");
            let errors = finish["errors"].as_array().unwrap();
            let message = errors[0]["message"].as_str().unwrap();
            assert_eq!(
                (errors.len(), message.lines().count()),
                (1, 1),
                "{finish:#}"
            );
        }
        let last = finishes.last().unwrap();
        assert_eq!(last["type"], "pass", "{last:#}");
        assert_eq!(last["tests"].as_array().unwrap().len(), 1);
        assert!(!self.trace.exists(), "a file outside was run");
    }
}

/// Names out of messages were used as paths, or pasted into commands:
/// <https://github.com/distcc/distcc/issues/155>, <https://github.com/grosser/parallel_tests/issues/727>.
#[test]
fn a_file_outside_of_the_workspace_is_not_run_and_harms_no_other() {
    let home = Home::new();
    let mut outside = Outside::new(&home);
    // Who names it by hand means it.
    outside.names.retain(|name| name != "spec/link_spec.rb");
    let mut command = home.command("gorgon-worker");
    command
        .args(["--workspace", "."])
        .current_dir(outside.project.path())
        .stdin(Stdio::null());
    command.args(outside.names.iter().map(|name| format!("--file={name}")));
    let error = gorgon_process::command::run(command, run::RUN_LIMIT, b"").unwrap_err();
    assert_eq!(error.end(), Some(End::Exited(1)));
    outside.check(&error.said().unwrap().stdout);
    home.assert_nothing_left();
}

#[test]
fn such_names_on_a_live_file_queue_are_refused_too() {
    let cluster = Cluster::start(&[]);
    let outside = Outside::new(cluster.home());
    let (files, replies) = ("gorgon.files.odd", "gorgon.replies.odd");
    let queue = |name: &str| Declare::expiring_queue(name, Duration::from_secs(600));
    let session = Session::open(
        &cluster.vhost().target(),
        Setup {
            role: "names".to_owned(),
            declare: vec![queue(files), queue(replies)],
            ..Setup::default()
        },
        Patience::Forever,
    )
    .unwrap();
    for (id, name) in (0..).zip(&outside.names) {
        let item = WorkItem::whole(ItemId(id), name.as_str());
        let body = serde_json::to_vec(&item).unwrap();
        session.publish(Publish::to_queue(files, body, u64::from(id)));
    }
    assert!(session.flush(Duration::from_secs(10)));
    let config = cluster.home().path().join("worker.json");
    let connection = json!({ "connection": { "url": cluster.url() } });
    fs::write(&config, connection.to_string()).unwrap();
    let mut command = cluster.home().command("gorgon-worker");
    command
        .arg("--config")
        .arg(&config)
        .args(["--workspace", ".", "--job", "odd"])
        .args(["--file-queue", files, "--reply-queue", replies])
        .current_dir(outside.project.path())
        .stdin(Stdio::null());
    let printed = gorgon_process::command::run(command, run::RUN_LIMIT, b"").unwrap();
    outside.check(&printed.stdout);
    let left = cluster.vhost().queues();
    let left = left.iter().find(|queue| queue.name == files);
    assert_eq!(left.map(|queue| queue.messages), Some(0));
    for name in [files, replies] {
        session.delete_queue(name);
    }
    session.close(Duration::from_secs(5));
    cluster.assert_nothing_left();
}

#[test]
fn a_listener_with_a_secret_runs_only_what_is_signed_with_it() {
    let mut cluster = Cluster::start(&[]);
    cluster.start_host("a", 1, &json!({ "job_secret": "sesame" }));
    cluster.wait_for_listener("a");
    let config = |secret: &str| format!(r#"{{ "files": ["spec/*_spec.rb"]{secret} }}"#);
    let project = Project::of(
        cluster.home(),
        &[("spec/a_spec.rb", GREEN), ("gorgon.json", &config(""))],
    );
    cluster
        .run(&project, &["--wait", "2"])
        .exited(3)
        .says(&["signature"]);
    project.write("gorgon.json", &config(r#", "job_secret": "wrong""#));
    cluster
        .run(&project, &["--wait", "2"])
        .exited(3)
        .says(&["signature"]);
    project.write("gorgon.json", &config(r#", "job_secret": "sesame""#));
    cluster.run(&project, &[]).exited(0);
    cluster.assert_nothing_left();
}

#[test]
fn no_password_stands_on_a_command_line_or_in_a_tests_environment() {
    let cluster = Cluster::start(&[("a", 1)]);
    let spec = "RSpec.describe('x') { it('tells') {
      seen = Dir['/proc/[0-9]*/cmdline'].map { |path| File.read(path) rescue '' }.join(' ')
      secret = File.read('secret.txt').strip
      expect(seen).not_to include(secret)
      expect(ENV.to_h.to_s).not_to include(secret) } }\n";
    let project = Project::of(
        cluster.home(),
        &[
            ("spec/a_spec.rb", spec),
            ("secret.txt", cluster.node().password()),
        ],
    );
    cluster.run(&project, &["spec"]).exited(0);
    cluster.assert_nothing_left();
}
