//! Hostile messages, put on the broker as they are: no path leaves the workspace, no word becomes an
//! option, and the listener goes on.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Instant;

use gorgon_broker::{Consume, Declare, Event, Publish, Session};
use gorgon_process::Signal;
use integration::{
    cluster::Cluster,
    home::Home,
    project::Project,
    run::{RUN_LIMIT, Run},
    wait::until,
};
use serde_json::{Value, json};

use super::GREEN;
use crate::broker_contract::{self, LIMIT, open};

/// Originators of this test ask it; it has no listener.
const ELSEWHERE: &str = "gorgon.jobs.elsewhere";

/// A host, an originator that goes on serving its project, and somebody with its job definition.
struct Stage {
    cluster: Cluster,
    run: Run,
    wire: Session,
    /// As the originator offered it.
    definition: Value,
    listener: String,
    source: PathBuf,
    /// What must never be made.
    trace: PathBuf,
    jobs: u32,
}

impl Stage {
    fn new() -> Self {
        let cluster = Cluster::start(&[("a", 1)]);
        let declare = vec![
            Declare::fanout(ELSEWHERE),
            Declare::exclusive_queue("spy"),
            Declare::bind("spy", ELSEWHERE, ""),
        ];
        let wire = open(
            &cluster.vhost().target(),
            declare,
            vec![Consume::many("spy", 10)],
        );
        let (project, trace) = project(cluster.home());
        let run = cluster.begin(&project, &["--wait", "600", "spec/a_spec.rb"]);
        let (_, body) = heard(&wire);
        let queues = cluster.vhost().queues();
        let listener = queues
            .iter()
            .find(|queue| queue.name.starts_with("gorgon.listener.a."));
        let listener = listener.unwrap().name.clone();
        Self {
            definition: body,
            cluster,
            run,
            wire,
            listener,
            source: project.path().to_owned(),
            trace,
            jobs: 0,
        }
    }

    /// Offers a changed definition with these items, and returns what is said of it until its host
    /// has left, or refuses it.
    fn job(&mut self, change: impl FnOnce(&mut Value), items: &[Value]) -> Vec<Value> {
        self.jobs += 1;
        let job = format!("evil{}", self.jobs);
        let (files, replies) = (
            format!("gorgon.files.{job}"),
            format!("gorgon.replies.{job}"),
        );
        self.wire.declare(vec![
            Declare::expiring_queue(&files, LIMIT * 10),
            Declare::expiring_queue(&replies, LIMIT * 10),
            Declare::direct("gorgon.replies"),
            Declare::bind(&replies, "gorgon.replies", &replies),
        ]);
        self.wire.consume(Consume::many(&replies, 50));
        for item in items {
            self.wire
                .publish(Publish::to_queue(&files, item.to_string(), 1));
        }
        let mut definition = self.definition.clone();
        definition["job"] = job.into();
        definition["file_queue_name"] = files.clone().into();
        definition["reply_queue_name"] = replies.into();
        definition["items"] = items.len().into();
        change(&mut definition);
        self.offer(&definition);
        let mut said = Vec::new();
        let mut open = items.len();
        loop {
            let (_, reply) = heard(&self.wire);
            let action = reply["action"].as_str().unwrap_or_default().to_owned();
            let answer = reply["answer"].clone();
            said.push(reply);
            if action == "host_left" || answer == "refused" {
                break;
            }
            if action == "finish" {
                open -= 1;
                if open == 0 {
                    // The word that the job is over.
                    self.wire.delete_queue(&files);
                }
            }
        }
        self.wire.delete_queue(&files);
        assert!(!self.trace.exists(), "made by {said:#?}");
        said
    }

    fn offer(&self, definition: &Value) {
        self.wire
            .publish(Publish::to_queue(&self.listener, definition.to_string(), 2));
    }

    /// Waits for a line of the listener's log.
    fn logged(&self, text: &str) {
        until(text, LIMIT, || {
            let log = self.cluster.host("a").log();
            if log.contains(text) { Ok(()) } else { Err(log) }
        });
    }

    fn end(self) {
        self.run.signal(Signal::Int);
        self.run.finished(RUN_LIMIT).exited(130);
        self.wire.close(LIMIT);
        assert!(!self.trace.exists());
    }
}

/// Returns the next message: the queue it came from, and what it says.
fn heard(wire: &Session) -> (String, Value) {
    let deadline = Instant::now() + LIMIT;
    loop {
        assert!(
            Instant::now() < deadline,
            "nothing is heard within {LIMIT:?}"
        );
        let delivery = broker_contract::until(wire, |event| match event {
            Event::Delivery(delivery) => Some(delivery.clone()),
            _ => None,
        });
        wire.ack(delivery.token);
        if let Ok(body) = serde_json::from_slice(&delivery.body) {
            return (delivery.queue, body);
        }
    }
}

/// A project with a good file, links that lead out, and files of names that only look like more;
/// whatever is loaded from outside leaves the trace.
fn project(home: &Home) -> (Project, PathBuf) {
    let trace = home.path().join("trace");
    let evil = format!("File.write({:?}, 'x')\n", trace);
    let odd = "File.write('odd-' + File.basename(__FILE__), 'x')\n";
    let project = Project::of(
        home,
        &[
            ("spec/a_spec.rb", GREEN),
            ("gorgon.json", r#"{ "cluster_id": "elsewhere" }"#),
            ("-rodd.rb", odd),
            ("spec/a\nb_spec.rb", GREEN),
        ],
    );
    // Where `..` of a workspace, and `~` of its user, lead.
    for place in [
        "home/evil.rb",
        "run/evil.rb",
        "run/a/evil.rb",
        "run/a/workspaces/evil.rb",
    ] {
        let place = home.path().join(place);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, &evil).unwrap();
    }
    symlink(
        home.path().join("run/evil.rb"),
        project.path().join("link.rb"),
    )
    .unwrap();
    symlink(home.path().join("run"), project.path().join("up")).unwrap();
    (project, trace)
}

fn outside(home: &Home) -> Vec<String> {
    let absolute = home.path().join("run/evil.rb").display().to_string();
    let mut names = vec![absolute];
    let relative = [
        "../evil.rb",
        "../../evil.rb",
        "spec/../../../evil.rb",
        "~/evil.rb",
        "~root/../evil.rb",
        "link.rb",
        "up/evil.rb",
        "a\0b.rb",
        "",
    ];
    names.extend(relative.map(str::to_owned));
    names
}

fn item(number: usize, filename: &str) -> Value {
    json!({ "item": number, "attempt": 1, "filename": filename })
}

#[test]
fn work_items_run_no_file_outside_and_become_no_option() {
    let mut stage = Stage::new();
    let mut names = outside(stage.cluster.home());
    names.extend(
        [
            "-e exit",
            "--require=up/evil.rb",
            "-rodd",
            "spec/a_spec.rb;touch x",
            "$(touch x)",
            "spec",
        ]
        .map(str::to_owned),
    );
    let bad = names.len();
    names.extend(["spec/a_spec.rb", "spec/a\nb_spec.rb"].map(str::to_owned));
    let mut items: Vec<Value> = names
        .iter()
        .enumerate()
        .map(|(number, name)| item(number, name))
        .collect();
    // Words for tests and lines are no options either.
    for tests in [
        json!(["-rup/evil.rb"]),
        json!(["1:1]\n--require up/evil"]),
        json!(["\0"]),
    ] {
        let mut one = item(items.len(), "spec/a_spec.rb");
        one["tests"] = tests;
        items.push(one);
    }
    let said = stage.job(|_| (), &items);
    for (number, name) in names.iter().enumerate() {
        let finish = said
            .iter()
            .find(|reply| reply["action"] == "finish" && reply["item"] == number);
        let finish = finish.unwrap_or_else(|| panic!("{name:?} has no finish: {said:#?}"));
        assert_eq!(
            finish["type"] == "pass",
            number >= bad,
            "{name:?}: {finish:#?}"
        );
        assert_eq!(finish["filename"], name.as_str());
    }
    stage.end();
}

#[test]
fn callbacks_of_a_message_lie_in_the_workspace() {
    let mut stage = Stage::new();
    for name in outside(stage.cluster.home()) {
        // An empty name is no file; nothing of a home directory is meant by a tilde.
        let harmless = name.is_empty() || name.starts_with('~');
        for key in [
            "callbacks_class_file",
            "after_sync",
            "before_creating_workers",
        ] {
            let said = stage.job(
                |job| job["callbacks"] = json!({ key: name }),
                &[item(0, "spec/a_spec.rb")],
            );
            let left = said.last().unwrap();
            assert_eq!(left["action"], "host_left", "{name:?}: {said:#?}");
            assert_eq!(left["reason"], "callback_failed", "{name:?}: {said:#?}");
            let message = left["error"]["message"].as_str().unwrap_or_default();
            assert!(
                harmless || message.contains("leads out of the project"),
                "{name:?}: {message}"
            );
        }
    }
    stage.end();
}

#[test]
fn no_word_about_the_source_becomes_an_option_or_a_command() {
    let mut stage = Stage::new();
    let touch = format!("touch {}", stage.trace.display());
    let path = |path: String| json!({ "kind": "path", "source_tree_path": path });
    let good = stage.definition["sync"].clone();
    let with = |key: &str, value: Value| {
        let mut sync = good.clone();
        sync[key] = value;
        sync
    };
    for sync in [
        path(format!("-e {touch}")),
        path(format!("--rsh={touch}")),
        path(format!("-oProxyCommand={touch}:x")),
        path(format!("[-oProxyCommand={touch}]:x")),
        path(format!("me@[-oProxyCommand={touch}]:x")),
        path(format!("$({touch}):x")),
        path("a\0b".to_owned()),
        path("a\nb:c".to_owned()),
        path(String::new()),
        with("addresses", json!([format!("-e {touch}")])),
        with("addresses", json!(["127.0.0.1:1/src/../../etc"])),
        with("addresses", json!(["a\0b"])),
        with("user", json!(format!("-e {touch}"))),
        with("user", json!("x@evil/")),
        with("password", json!("a\0b")),
        with("kind", json!("in_place")),
    ] {
        let said = stage.job(
            |job| job["sync"] = sync.clone(),
            &[item(0, "spec/a_spec.rb")],
        );
        let last = said.last().unwrap();
        assert!(
            last["reason"] == "sync_failed" || last["answer"] == "refused",
            "{sync}: {said:#?}"
        );
    }
    // What is left out is a pattern, whatever it looks like; the job runs.
    let exclude = json!([
        format!("--rsh={touch}"),
        "-e x",
        "a\nb",
        "a\0b",
        "../x",
        "/",
        "- *.zip"
    ]);
    let path =
        json!({ "kind": "path", "source_tree_path": stage.source.clone(), "exclude": exclude });
    for sync in [with("exclude", exclude), path] {
        stage.job(
            |job| job["sync"] = sync.clone(),
            &[item(0, "spec/a_spec.rb")],
        );
    }
    stage.end();
}

#[test]
fn names_of_a_job_make_no_path_and_no_option_and_the_listener_goes_on() {
    let mut stage = Stage::new();
    for name in [
        "../../evil",
        "/evil",
        "-rf",
        "a/b",
        "a\0b",
        "a\nb",
        ".",
        "..",
        "",
        " ",
    ] {
        for key in ["job", "file_queue_name", "reply_queue_name"] {
            let mut definition = stage.definition.clone();
            definition["job"] = "evil".into();
            definition[key] = name.into();
            stage.offer(&definition);
        }
    }
    let mut elsewhere = stage.definition.clone();
    elsewhere["reply_exchange"] = "gorgon.jobs".into();
    stage.offer(&elsewhere);
    for body in [
        "",
        "[]",
        "{",
        "null",
        "{\"type\":\"job_definition\"}",
        "{\"type\":\"ping\",\"reply_queue_name\":\"-x\"}",
    ] {
        stage
            .wire
            .publish(Publish::to_queue(&stage.listener, body, 3));
    }
    // The directory of a project names a workspace: its last name alone, and what can be one.
    for project in [
        "/x/..",
        "/",
        "..",
        "/x/-rf",
        "/x/a\nb",
        "/x/.gorgon-lock",
        "relative",
        "",
    ] {
        let said = stage.job(
            |job| job["project"] = project.into(),
            &[item(0, "spec/a_spec.rb")],
        );
        let finish = said.iter().find(|reply| reply["action"] == "finish");
        assert_eq!(finish.unwrap()["type"], "pass", "{project:?}: {said:#?}");
    }
    let said = stage.job(
        |job| job["project"] = "/x/a\0b".into(),
        &[item(0, "spec/a_spec.rb")],
    );
    assert_eq!(said.last().unwrap()["reason"], "sync_failed", "{said:#?}");
    for host in ["../..", "-x", "a\0b\n"] {
        let said = stage.job(
            |job| job["originator_host"] = host.into(),
            &[item(0, "spec/a_spec.rb")],
        );
        assert_eq!(
            said.last().unwrap()["reason"],
            "done",
            "{host:?}: {said:#?}"
        );
    }
    stage.logged("is no name of a job");
    stage.logged("is no exchange for replies");
    stage.logged("dropped a ping");
    stage.end();
}
