//! Files longer than RabbitMQ's `consumer_timeout`: they run once and count once.

use std::{collections::BTreeMap, time::Duration};

use integration::{
    cluster::Cluster,
    home::Home,
    project::Project,
    rabbit::{Options, RabbitMq},
    run::Finished,
    wait::secs,
};
use serde_json::json;

/// What the node allows a delivery to stay unacknowledged. It looks every second.
const TIMEOUT: Duration = secs(3);
/// Longer than that, and than the looks after it.
const LONG_S: u32 = 10;

/// A cluster on a node that takes a delivery away after a few seconds.
fn cluster(hosts: &[(&str, u32)]) -> Cluster {
    let node = RabbitMq::start_with(&Options {
        consumer_timeout: TIMEOUT,
        ..Options::default()
    });
    let node = Box::leak(Box::new(node));
    node.eval("application:set_env(rabbit, channel_tick_interval, 1000).");
    Cluster::start_at(node, hosts)
}

/// Files that take long, and short ones; each notes each of its runs.
fn project(home: &Home, long: &[&str], short: &[&str]) -> Project {
    let project = Project::empty(home);
    let runs = home.path().join("runs");
    let text = |file: &str, seconds: u32| {
        format!(
            "RSpec.describe('x') {{ it('runs') {{ File.write({runs:?}, \"{file}\\n\", mode: 'a'); \
             sleep {seconds} }} }}\n"
        )
    };
    for file in long {
        project.write(file, &text(file, LONG_S));
    }
    for file in short {
        project.write(file, &text(file, 0));
    }
    project
}

fn runs(home: &Home) -> BTreeMap<String, u32> {
    let text = std::fs::read_to_string(home.path().join("runs")).unwrap();
    let mut runs = BTreeMap::new();
    for file in text.lines() {
        *runs.entry(file.to_owned()).or_default() += 1;
    }
    runs
}

fn once(run: &Finished, home: &Home, files: &[&str]) {
    run.exited(0).reported(files);
    for file in files {
        run.verdict(file, "passed");
        assert_eq!(run.file(file)["attempts"], 1, "{:#?}", run.file(file));
    }
    let counted = runs(home);
    assert!(
        files.iter().all(|file| counted[*file] == 1),
        "{counted:?}\n{}",
        run.stderr
    );
    println!("each of {} files ran once: {:?}", files.len(), run.took);
}

#[test]
fn a_file_longer_than_the_brokers_timeout_runs_once_and_counts_once() {
    let cluster = cluster(&[("a", 1)]);
    let (long, short) = ("spec/a_spec.rb", ["spec/b_spec.rb", "spec/c_spec.rb"]);
    let project = project(cluster.home(), &[long], &short);
    let run = cluster.run(&project, &["spec"]);
    once(&run, cluster.home(), &[long, short[0], short[1]]);
    cluster.assert_nothing_left();
}

#[test]
fn two_such_files_in_flight_at_once_run_once_each_while_other_workers_are_idle() {
    let cluster = cluster(&[("a", 2), ("b", 2)]);
    let (long, short) = (["spec/a_spec.rb", "spec/b_spec.rb"], "spec/c_spec.rb");
    let project = project(cluster.home(), &long, &[short]);
    let run = cluster.run(&project, &["spec"]);
    // What the broker took away came to the idle ones, who did not run it.
    once(&run, cluster.home(), &[long[0], long[1], short]);
    cluster.assert_nothing_left();
}

#[test]
fn a_long_file_runs_once_also_while_another_file_is_tried_again_elsewhere() {
    let cluster = cluster(&[("a", 1), ("b", 1)]);
    let long = "spec/a_spec.rb";
    let project = project(cluster.home(), &[long], &[]);
    let mark = cluster.home().path().join("failed-once");
    project.write(
        "spec/b_spec.rb",
        &format!(
            "RSpec.describe('b') {{ it('fails once') {{ \
             unless File.exist?({mark:?}); File.write({mark:?}, ''); raise 'once'; end }} }}\n"
        ),
    );
    project.write(
        "gorgon.json",
        &json!({ "files": ["spec/*_spec.rb"], "retries": 1 }).to_string(),
    );
    let run = cluster.run(&project, &[]);
    run.exited(0)
        .reported(&[long, "spec/b_spec.rb"])
        .verdict(long, "passed");
    assert_eq!(runs(cluster.home())[long], 1, "{}", run.stderr);
    cluster.assert_nothing_left();
}
