//! What a message may not do, and who may publish one.

use std::{fs, os::unix::fs::symlink, process::Stdio};

use integration::{cluster::Cluster, home::Home, project::Project, run};
use serde_json::{Value, json};

const GREEN: &str = "RSpec.describe('a') { it('holds') { expect(1).to eq 1 } }\n";

#[test]
fn a_file_outside_of_the_workspace_is_not_run_and_harms_no_other() {
    let home = Home::new();
    let project = Project::of(&home, &[("spec/a_spec.rb", GREEN)]);
    let trace = home.path().join("trace");
    let evil = home.path().join("run/outside_spec.rb");
    fs::write(&evil, format!("File.write({:?}, 'x')\n", trace)).unwrap();
    symlink(&evil, project.path().join("spec/link_spec.rb")).unwrap();
    let touch = format!("$(touch {})", trace.display());
    let names = [
        "../outside_spec.rb",
        evil.to_str().unwrap(),
        "spec/../../outside_spec.rb",
        "spec/link_spec.rb",
        touch.as_str(),
        "-rboom",
    ];
    let mut command = home.command("gorgon-worker");
    command
        .args(["--workspace", "."])
        .current_dir(project.path())
        .stdin(Stdio::null());
    command.args(
        names
            .iter()
            .chain(&["spec/a_spec.rb"])
            .map(|name| format!("--file={name}")),
    );
    let error = gorgon_process::command::run(command, run::RUN_LIMIT, b"").unwrap_err();
    let said = &error.said().unwrap().stdout;
    let finishes: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|message| message["action"] == "finish")
        .collect();
    for name in names {
        let finish = finishes.iter().find(|finish| finish["filename"] == name);
        assert!(
            finish.is_some_and(|finish| finish["type"] != "pass"),
            "{name}: {finish:#?}\n{error}"
        );
    }
    let last = finishes
        .iter()
        .find(|finish| finish["filename"] == "spec/a_spec.rb")
        .unwrap();
    assert_eq!(last["type"], "pass");
    assert!(!trace.exists(), "a file outside was run");
    home.assert_nothing_left();
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
