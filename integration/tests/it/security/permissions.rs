//! The accounts of configs/rabbitmq-permissions.sample, on a real node.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use gorgon_broker::{Consume, Declare, Event, Patience, Publish, Session, Setup, Target};
use gorgon_process::{Signal, command};
use integration::{cluster::Cluster, gate::Gate, processes, project::Project, run};
use serde_json::json;

use super::GREEN;
use crate::broker_contract::{LIMIT, next, open, until, wait_until};

const PASSWORD: &str = "of both";

/// Makes the two accounts as the sample has them: it is run with a `rabbitmqctl` that tells what it
/// was asked for.
fn accounts(cluster: &Cluster) -> [String; 2] {
    let stub = cluster.home().fresh("bin");
    std::fs::create_dir(&stub).unwrap();
    let text = "#!/bin/sh\n[ \"$1\" = set_permissions ] || exit 0\nshift 3\nfor word; do echo \"$word\"; done\n";
    std::fs::write(stub.join("rabbitmqctl"), text).unwrap();
    let mut chmod = Command::new("chmod");
    chmod.arg("755").arg(stub.join("rabbitmqctl"));
    command::run(chmod, LIMIT, b"").unwrap();
    let sample =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/rabbitmq-permissions.sample");
    [("listener", "a.example"), ("originator", "me")].map(|(kind, name)| {
        let mut sh = Command::new("sh");
        sh.arg(&sample).args([kind, "vhost", name]);
        let path = std::env::var("PATH").unwrap();
        sh.env("PATH", format!("{}:{path}", stub.display()));
        let said = command::run(sh, LIMIT, b"")
            .unwrap_or_else(|error| panic!("{error} {:?}", error.said()));
        let lines: Vec<&str> = said.stdout.lines().collect();
        let [_, configure, write, read] = lines[..] else {
            panic!("{}", said.stdout);
        };
        // Users of all tests share the node.
        let user = format!("{kind}-{}", cluster.vhost().name());
        let vhost = cluster.vhost().name();
        cluster
            .node()
            .add_user(&user, PASSWORD, vhost, [configure, write, read]);
        user
    })
}

fn target(cluster: &Cluster, user: &str) -> Target {
    Target {
        user: user.to_owned(),
        password: PASSWORD.to_owned(),
        ..cluster.vhost().target()
    }
}

/// Begins to do something, and returns the broker's refusal.
fn refused(target: &Target, declare: Vec<Declare>, consume: Vec<Consume>) -> String {
    let setup = Setup {
        role: "thief".to_owned(),
        declare,
        consume,
        ..Setup::default()
    };
    match Session::open(target, setup, Patience::Limit(LIMIT)) {
        Ok(_) => "let in".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn narrow_accounts_are_enough_for_a_whole_job_its_cancel_and_a_ping() {
    let mut cluster = Cluster::start(&[]);
    let [host, person] = accounts(&cluster);
    let (port, vhost) = (cluster.node().port(), cluster.vhost().name().to_owned());
    let connection = |user: &str| json!({ "host": "127.0.0.1", "port": port, "vhost": vhost, "user": user, "password": PASSWORD });
    let theirs = json!({ "connection": connection(&host), "host_name": "a.example" });
    cluster.start_host("a.example", 2, &theirs);
    cluster.wait_for_listener("a.example");
    let gate = Gate::open(cluster.home());
    let config = json!({ "files": ["spec/*_spec.rb"], "connection": connection(&person) });
    let files = [
        ("spec/a_spec.rb", GREEN),
        ("gorgon.json", &config.to_string()),
    ];
    let project = Project::of(cluster.home(), &files);
    gate.write_into(&project);
    let begin = |words: &[&str]| run::start(cluster.home(), &project, words);

    begin(&[])
        .finished(run::RUN_LIMIT)
        .exited(0)
        .verdict("spec/a_spec.rb", "passed");
    let mut ping = cluster.home().command("gorgon-originator");
    ping.arg("ping").current_dir(project.path());
    assert!(
        command::run(ping, LIMIT, b"")
            .unwrap()
            .stdout
            .contains("a.example")
    );
    project.write(
        "spec/b_spec.rb",
        "require_relative '../gate'\nGate.pass('b')\n",
    );
    let run = begin(&["spec/b_spec.rb"]);
    let visit = gate.next();
    run.signal(Signal::Int);
    run.finished(run::RUN_LIMIT).exited(130);
    visit.closed_within(LIMIT);
    cluster.assert_nothing_left();
    for (_, log) in cluster.logs() {
        assert!(!log.contains("ACCESS_REFUSED"), "{log}");
    }
}

#[test]
fn narrow_accounts_bear_hosts_that_leave_and_die() {
    let mut cluster = Cluster::start(&[]);
    let [host, person] = accounts(&cluster);
    let (port, vhost) = (cluster.node().port(), cluster.vhost().name().to_owned());
    let connection = |user: &str| json!({ "host": "127.0.0.1", "port": port, "vhost": vhost, "user": user, "password": PASSWORD });
    // The account is for all listeners of one host name.
    let theirs = json!({ "connection": connection(&host), "host_name": "a.example" });
    let listeners = |cluster: &Cluster| {
        let queues = cluster.vhost().queues().into_iter();
        let theirs = queues.filter(|queue| queue.name.starts_with("gorgon.listener.a.example."));
        theirs.filter(|queue| queue.consumers > 0).count()
    };
    let gate = Gate::open(cluster.home());
    let config = json!({ "files": ["spec/*_spec.rb"], "connection": connection(&person) });
    let waits =
        "require_relative '../gate'\nRSpec.describe('x') { it('waits') { Gate.pass('x') } }\n";
    let files = [
        ("spec/a_spec.rb", waits),
        ("gorgon.json", &config.to_string()),
    ];
    let project = Project::of(cluster.home(), &files);
    gate.write_into(&project);
    cluster.start_host("one", 1, &theirs);
    wait_until("one listens", || listeners(&cluster) == 1);
    let run = run::start(cluster.home(), &project, &[]);
    for (name, next, signal) in [("one", "two", "TERM"), ("two", "three", "KILL")] {
        let visit = gate.next();
        cluster.start_host(next, 1, &theirs);
        wait_until("the next one listens", || listeners(&cluster) == 2);
        processes::signal(cluster.host(name).pid(), signal);
        visit.closed_within(LIMIT);
        wait_until("it is gone", || listeners(&cluster) == 1);
    }
    gate.next().release();
    let run = run.finished(run::RUN_LIMIT);
    run.exited(0).verdict("spec/a_spec.rb", "passed");
    // The originator deletes their managers' queues, which it may.
    wait_until("the managers' queues are gone", || {
        let queues = cluster.vhost().queues();
        !queues
            .iter()
            .any(|queue| queue.name.starts_with("gorgon.manager."))
    });
    for word in ["reconnect", "ACCESS_REFUSED"] {
        assert!(!run.stderr.contains(word), "{}", run.stderr);
    }
}

#[test]
fn a_queue_that_may_not_be_deleted_stays_and_costs_no_connection() {
    let cluster = Cluster::start(&[("b", 1)]);
    let [host, _] = accounts(&cluster);
    let b = |name: &str| name.starts_with("gorgon.listener.b.");
    let queues = cluster.vhost().queues();
    let foreign = queues.iter().find(|queue| b(&queue.name)).unwrap();
    let session = open(
        &target(&cluster, &host),
        vec![Declare::direct("gorgon.replies")],
        vec![],
    );
    session.delete_foreign_queue(&foreign.name);
    session.publish(Publish::to_exchange("gorgon.replies", "x", "{}", 7));
    assert_eq!(next(&session), Event::Confirmed { tag: 7 });
    assert!(cluster.vhost().queues().iter().any(|queue| b(&queue.name)));
}

#[test]
fn a_hosts_account_offers_no_job_and_a_persons_reads_no_offers() {
    let mut cluster = Cluster::start(&[("b", 1)]);
    cluster.start_host("c", 1, &json!({}));
    cluster.wait_for_listener("c");
    let [host, person] = accounts(&cluster);
    let queues = cluster.vhost().queues();
    let other = queues
        .iter()
        .find(|queue| queue.name.starts_with("gorgon.listener.b."))
        .unwrap();
    let thief = target(&cluster, &host);
    // To all, or to one by the default exchange: each is refused, and the message given up.
    for (exchange, key) in [
        ("gorgon.jobs", ""),
        ("", other.name.as_str()),
        ("gorgon.control", "x"),
    ] {
        let session = open(&thief, vec![], vec![]);
        session.publish(Publish {
            mandatory: true,
            ..Publish::to_exchange(exchange, key, "{}", 7)
        });
        let told = until(&session, |event| match event {
            Event::Down { cause, .. } => Some(cause.clone()),
            Event::Confirmed { .. } => Some("taken".to_owned()),
            _ => None,
        });
        assert!(
            told.contains("403") && told.contains("ACCESS_REFUSED"),
            "{exchange}: {told}"
        );
        until(&session, |event| (*event == Event::Up).then_some(()));
        session.close(LIMIT);
    }
    // By a detour: an exchange that it may write to, bound to the queue of another host.
    for exchange in ["gorgon.originators", "gorgon.replies", "gorgon.manager.x"] {
        let declare = vec![
            Declare::direct("gorgon.manager.x"),
            Declare::bind(&other.name, exchange, "k"),
        ];
        let said = refused(&thief, declare, vec![]);
        assert!(said.contains("ACCESS_REFUSED"), "{exchange}: {said}");
    }
    let own = "gorgon.manager.mine";
    for (what, declare, consume) in [
        (
            "queue of another host",
            vec![],
            vec![Consume::one(&other.name)],
        ),
        (
            "replies",
            vec![
                Declare::exclusive_queue(own),
                Declare::bind(own, "gorgon.replies", "x"),
            ],
            vec![],
        ),
        (
            "anything else",
            vec![Declare::exclusive_queue("mine")],
            vec![],
        ),
    ] {
        let said = refused(&thief, declare, consume);
        assert!(said.contains("ACCESS_REFUSED"), "{what}: {said}");
    }
    let person = target(&cluster, &person);
    let own = "gorgon.originator.mine";
    for (what, declare, consume) in [
        (
            "offers of others",
            vec![
                Declare::exclusive_queue(own),
                Declare::bind(own, "gorgon.jobs", ""),
            ],
            vec![],
        ),
        ("a host's offers", vec![], vec![Consume::one(&other.name)]),
    ] {
        let said = refused(&person, declare, consume);
        assert!(said.contains("ACCESS_REFUSED"), "{what}: {said}");
    }
}

#[test]
fn who_may_not_offer_jobs_is_told_so() {
    let cluster = Cluster::start(&[]);
    let [host, _] = accounts(&cluster);
    let config = json!({
        "files": ["spec/*_spec.rb"],
        "connection": {
            "host": "127.0.0.1", "port": cluster.node().port(), "vhost": cluster.vhost().name(),
            "user": host, "password": PASSWORD,
        },
    });
    let files = [
        ("spec/a_spec.rb", GREEN),
        ("gorgon.json", &config.to_string()),
    ];
    let project = Project::of(cluster.home(), &files);
    let run = run::start(cluster.home(), &project, &["--wait", "2"]);
    let run = run.finished(Duration::from_secs(20));
    run.exited(3)
        .says(&["ACCESS_REFUSED", "rabbitmq-permissions"]);
    println!("{}", run.stderr);
}
