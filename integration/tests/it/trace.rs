//! Where the time of a job went, as the event stream tells it.

use integration::{
    cluster::Cluster,
    home::Home,
    project::Project,
    run::{self, Finished},
};

/// The steps of the processes of one run.
fn steps(finished: &Finished) -> Vec<String> {
    let told = ["worker_ended", "host_left", "job_finished"];
    let events = told.iter().flat_map(|name| finished.events(name));
    let traces = events.filter_map(|event| event["trace"].as_array());
    let mut seen = Vec::new();
    for step in traces.flatten() {
        assert!(
            step["began_us"].is_u64() && step["took_us"].is_u64(),
            "{step}"
        );
        let (process, what) = (&step["process"], &step["step"]);
        seen.push(format!(
            "{} {}",
            process.as_str().unwrap(),
            what.as_str().unwrap()
        ));
    }
    seen.sort();
    seen
}

const FILES: [(&str, &str); 3] = [
    (
        "gorgon.json",
        r#"{ "files": ["spec/*_spec.rb"], "job": { "callbacks": { "after_sync": "sync.rb" } } }"#,
    ),
    ("sync.rb", "module Gorgon; end\n"),
    (
        "spec/a_spec.rb",
        "RSpec.describe('a') { it('works') { expect(1).to eq 1 } }\n",
    ),
];

#[test]
fn each_process_of_a_local_job_tells_its_steps() {
    let home = Home::new();
    let project = Project::of(&home, &FILES);
    let finished = run::run(&home, &project, &["--local=1"]);
    finished.exited(0);
    assert_eq!(
        steps(&finished),
        [
            "listener after_sync",
            "manager after_creating_workers",
            "manager connect",
            "manager job",
            "manager preload",
            "manager workers",
            "originator after_job_finishes",
            "originator before_originate",
            "originator clean_up",
            "originator connect",
            "originator hosts",
            "originator local",
            "originator plan",
            "originator publish",
            "originator source",
            "worker connect",
            "worker end",
            "worker fork",
            "worker items",
            "worker job",
        ]
    );
}

#[test]
fn a_listener_tells_what_the_source_took() {
    let cluster = Cluster::start(&[("near", 1)]);
    let project = Project::of(cluster.home(), &FILES);
    let finished = cluster.run(&project, &[]);
    finished.exited(0);
    let steps = steps(&finished);
    for step in [
        "listener source",
        "listener workspace",
        "listener after_sync",
    ] {
        assert!(steps.iter().any(|seen| seen == step), "{step}: {steps:?}");
    }
    cluster.assert_nothing_left();
}
