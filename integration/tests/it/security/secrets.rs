//! Where no secret may stand: a job with secrets everywhere, and a search of all that it leaves.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use gorgon_broker::{Consume, Declare, Event};
use integration::{
    cluster::Cluster, gate::Gate, home::files_below, processes, project::Project, run, wait::until,
};
use serde_json::json;

use crate::broker_contract::{LIMIT, open};

const JOB_SECRET: &str = "open-sesame-of-this-test";

/// Returns in how many processes' command lines and environments a text stands.
fn seen_in_processes(cluster: &Cluster, secret: &str) -> Vec<String> {
    let mut found = Vec::new();
    for process in processes::of(cluster.home().path()) {
        for file in ["cmdline", "environ"] {
            let bytes = fs::read(format!("/proc/{}/{file}", process.pid)).unwrap_or_default();
            if String::from_utf8_lossy(&bytes).contains(secret) {
                found.push(format!(
                    "{file} of {} {}",
                    process.program, process.arguments
                ));
            }
        }
    }
    found
}

/// Returns the files below a directory that hold a text.
fn seen_in_files(directory: &Path, secret: &str) -> Vec<String> {
    let all = files_below(directory)
        .into_iter()
        .filter(|path| path.is_file());
    let holds = |path: &std::path::PathBuf| {
        let bytes = fs::read(path).unwrap_or_default();
        bytes
            .windows(secret.len())
            .any(|part| part == secret.as_bytes())
    };
    all.filter(holds)
        .map(|path| path.display().to_string())
        .collect()
}

#[test]
fn no_secret_stands_where_it_need_not() {
    let mut cluster = Cluster::start(&[]);
    let trace = |mut command: std::process::Command| {
        command.env("RUST_LOG", "trace");
        command
    };
    // Each rsync that is started tells how.
    let (bin, told) = (cluster.home().fresh("bin"), cluster.home().fresh("told"));
    fs::create_dir(&bin).unwrap();
    let shim = format!(
        "#!/bin/sh\ntr '\\0' ' ' < /proc/$$/cmdline >> {0}.cmdline\nenv >> {0}.environ\nPATH=${{PATH#*:}} exec rsync \"$@\"\n",
        told.display()
    );
    fs::write(bin.join("rsync"), shim).unwrap();
    fs::set_permissions(bin.join("rsync"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let spy = open(
        &cluster.vhost().target(),
        vec![
            Declare::fanout("gorgon.jobs"),
            Declare::fanout("gorgon.originators"),
            Declare::direct("gorgon.control"),
            Declare::direct("gorgon.replies"),
            Declare::exclusive_queue("spy"),
            Declare::bind("spy", "gorgon.jobs", ""),
            Declare::bind("spy", "gorgon.originators", ""),
        ],
        vec![Consume::many("spy", 500)],
    );
    let hosts_path = path.clone();
    cluster.start_host_as("a", 1, &json!({ "job_secret": JOB_SECRET }), |command| {
        let mut command = trace(command);
        command.env("PATH", hosts_path);
        command
    });
    cluster.wait_for_listener("a");
    let gate = Gate::open(cluster.home());
    let spec = "require_relative '../gate'\n\
        RSpec.describe('a') { it('fails') { Gate.pass('a'); raise ENV.to_h.inspect + Dir['/proc/[0-9]*/environ'].map { |f| File.binread(f) rescue '' }.select { |e| e.include?(ENV['HOME']) }.inspect } }\n";
    let config = json!({
        "files": ["spec/*_spec.rb"], "failed_files": "failed.json", "runtime_file": "times.json",
        "originator_log_file": "originator.log",
    });
    let secret = json!({ "job_secret": JOB_SECRET });
    let files = [
        ("spec/a_spec.rb", spec),
        ("gorgon.json", &config.to_string()),
        ("gorgon_secret.json", &secret.to_string()),
    ];
    let project = Project::of(cluster.home(), &files);
    gate.write_into(&project);
    let url = cluster.url();
    let run = run::start_with(cluster.home(), &project, &["-v"], |command| {
        command
            .env("GORGON_BROKER_URL", &url)
            .env("RUST_LOG", "trace")
            .env("PATH", path);
    });

    // Past the job definition: the one message that needs a secret, the password of the source.
    let mut messages = Vec::new();
    let definition = broker_message(&spy, &mut messages);
    let source = definition["sync"]["password"].as_str().unwrap().to_owned();
    let job = definition["job"].as_str().unwrap().to_owned();
    let replies = format!("gorgon.replies.{job}");
    spy.declare(vec![
        Declare::bind("spy", "gorgon.replies", replies),
        Declare::bind("spy", "gorgon.control", job),
    ]);
    let visit = gate.next();
    let broker = cluster.node().password().to_owned();
    let all = [
        ("broker", broker.as_str()),
        ("url", url.as_str()),
        ("job_secret", JOB_SECRET),
        ("source", source.as_str()),
    ];
    for (what, secret) in all {
        let seen = seen_in_processes(&cluster, secret);
        assert!(seen.is_empty(), "{what}: {seen:#?}");
    }
    visit.release();
    let run = run.finished(run::RUN_LIMIT);
    run.exited(1);

    let told = |kind: &str| fs::read_to_string(format!("{}.{kind}", told.display())).unwrap();
    for (what, secret) in all {
        assert!(
            !told("cmdline").contains(secret),
            "{what} on a command line: {}",
            told("cmdline")
        );
        // rsync has no other way to be given a password but a file; only its own user can read it.
        let given = told("environ")
            .lines()
            .any(|line| line.contains(secret) && !line.starts_with("RSYNC_PASSWORD="));
        assert!(!given, "{what}: {}", told("environ"));
    }
    assert!(
        told("environ").contains(&source),
        "the search would find it"
    );

    // Everything that was said: to all, to the originator, in reports, logs, history and caches.
    let finished = |message: &String| message.contains("\"action\":\"host_left\"");
    until("the end of the job on the broker", LIMIT, || {
        while let Ok(event) = spy.events().try_recv() {
            if let Event::Delivery(delivery) = event {
                spy.ack(delivery.token);
                messages.push(String::from_utf8_lossy(&delivery.body).into_owned());
            }
        }
        if messages.iter().any(finished) {
            Ok(())
        } else {
            Err(messages.clone())
        }
    });
    assert!(
        messages
            .iter()
            .any(|message| message.contains("\"action\":\"finish\"")),
        "{messages:#?}"
    );
    // While it ran its processes read the password in a file of their own; that is gone with it.
    spy.close(LIMIT);
    cluster.assert_nothing_left();
    let config = cluster
        .host("a")
        .directory()
        .join("gorgon_listener.json")
        .display()
        .to_string();
    let own_secret = project
        .path()
        .join("gorgon_secret.json")
        .display()
        .to_string();
    let told_environ = files_below(cluster.home().path())
        .into_iter()
        .map(|path| path.display().to_string())
        .filter(|path| path.ends_with("told.environ"));
    let told_environ: Vec<String> = told_environ.collect();
    for (what, secret) in all {
        let said: Vec<_> = messages
            .iter()
            .filter(|message| message.contains(secret))
            .collect();
        let allowed = usize::from(what == "source");
        assert_eq!(said.len(), allowed, "{what}: {said:#?}");
        let mut files = seen_in_files(cluster.home().path(), secret);
        files.retain(|file| *file != config && *file != own_secret && !told_environ.contains(file));
        assert!(files.is_empty(), "{what} in {files:#?}");
        assert!(
            !run.stdout.contains(secret) && !run.stderr.contains(secret),
            "{what}"
        );
    }
    let log = cluster.host("a").log();
    assert!(log.contains("DEBUG"), "it was told to log everything");
}

/// Waits for a job definition; keeps everything on the way.
fn broker_message(spy: &gorgon_broker::Session, messages: &mut Vec<String>) -> serde_json::Value {
    loop {
        let delivery = crate::broker_contract::until(spy, |event| match event {
            Event::Delivery(delivery) => Some(delivery.clone()),
            _ => None,
        });
        spy.ack(delivery.token);
        messages.push(String::from_utf8_lossy(&delivery.body).into_owned());
        let body: serde_json::Value = serde_json::from_slice(&delivery.body).unwrap();
        if body["type"] == "job_definition" {
            return body;
        }
    }
}
