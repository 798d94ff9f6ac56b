//! Job definitions that a listener with a `job_secret` refuses, as the user sees it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gorgon_broker::{Consume, Declare, Event, Publish, Session};
use gorgon_process::signals::Signal;
use gorgon_proto::{hex, sign};
use integration::{
    cluster::Cluster,
    gate::Gate,
    project::Project,
    run::{RUN_LIMIT, Run},
    wait::until,
};
use serde_json::json;

use super::GREEN;
use crate::broker_contract::{self, LIMIT, open};

/// The originators of this test ask this cluster, which has no listener: what reaches ours is what
/// the test sends.
const ELSEWHERE: &str = "gorgon.jobs.elsewhere";

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// A host with a secret, and somebody else on its broker.
struct Stage {
    cluster: Cluster,
    wire: Session,
}

impl Stage {
    fn new() -> Self {
        let mut cluster = Cluster::start(&[]);
        start(&mut cluster);
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
        Self { cluster, wire }
    }

    /// Begins a job, and returns what it offered: body and signature.
    fn offered(&self, project: &Project) -> (Run, Vec<u8>, String) {
        // A refusal ends it at once; until then we may take our time.
        let run = self.cluster.begin(project, &["--wait", "60"]);
        // Past the confirms of what was sent.
        let offer = broker_contract::until(&self.wire, |event| match event {
            Event::Delivery(delivery) => Some(delivery.clone()),
            _ => None,
        });
        self.wire.ack(offer.token);
        (run, offer.body, offer.headers[sign::HEADER].clone())
    }

    fn listener_queue(&self) -> String {
        until("the listener's queue", LIMIT, || {
            let queues = self.cluster.vhost().queues();
            let found = queues
                .iter()
                .find(|queue| queue.name.starts_with("gorgon.listener.a.") && queue.consumers > 0);
            found.map(|queue| queue.name.clone()).ok_or(queues)
        })
    }

    /// Has the broker itself publish: our own crates know no header but texts.
    fn send_with_header(&self, body: &[u8], erlang: &str) {
        let (vhost, queue) = (
            self.cluster.vhost().name().to_owned(),
            self.listener_queue(),
        );
        let hex = hex::encode(body);
        self.cluster.node().eval(&format!(
            "rabbit_basic:publish(rabbit_misc:r(<<\"{vhost}\">>, exchange, <<>>), <<\"{queue}\">>, \
             [{{headers, [{{<<\"{}\">>, {erlang}}}]}}], binary:decode_hex(<<\"{hex}\">>)).",
            sign::HEADER
        ));
    }

    fn send(&self, body: &[u8], signature: Option<&str>) {
        let listener = self.listener_queue();
        let headers = signature.map(|text| (sign::HEADER.to_owned(), text.to_owned()));
        self.wire.publish(Publish {
            headers: headers.into_iter().collect(),
            ..Publish::to_queue(listener, body, 1)
        });
    }
}

fn start(cluster: &mut Cluster) {
    cluster.start_host("a", 1, &json!({ "job_secret": "sesame" }));
    cluster.wait_for_listener("a");
}

fn project(stage: &Stage, spec: &str) -> Project {
    let config = json!({
        "files": ["spec/*_spec.rb"], "job_secret": "sesame", "cluster_id": "elsewhere",
    });
    let files = [
        ("spec/a_spec.rb", spec),
        ("gorgon.json", &config.to_string()),
    ];
    Project::of(stage.cluster.home(), &files)
}

/// Returns the line in which the user reads of the refusal.
fn line(run: &integration::run::Finished) -> String {
    let lines: Vec<&str> = run
        .stderr
        .lines()
        .filter(|line| line.contains("a refused the job"))
        .collect();
    assert_eq!(lines.len(), 1, "one line: {}", run.stderr);
    println!("{}", lines[0]);
    lines[0].to_owned()
}

#[test]
fn unsigned_forged_changed_and_stale_jobs_are_refused_in_a_line_each() {
    let stage = Stage::new();
    let project = project(&stage, GREEN);
    for (what, expected) in [
        ("unsigned", "carries no signature"),
        ("nonsense", "cannot be read"),
        ("forged", "signature of the job definition is wrong"),
        ("changed", "signature of the job definition is wrong"),
        (
            "stale",
            "signature of the job definition is stale: signed at 20",
        ),
        (
            "future",
            "signature of the job definition is stale: signed at 20",
        ),
    ] {
        let (run, mut body, genuine) = stage.offered(&project);
        let signed = |secret: &str, at: u64| sign::sign(secret, [7; 16], at, &body);
        let signature = match what {
            "unsigned" => None,
            "nonsense" => Some("v1 é".to_owned()),
            "forged" => Some(signed("open", now())),
            "stale" => Some(signed("sesame", now() - 600)),
            "future" => Some(signed("sesame", now() + 600)),
            _ => {
                // A digit of the number of items: still a job definition, of one byte else.
                let at = body.windows(9).position(|w| w == b"\"items\":1").unwrap() + 8;
                body[at] = b'2';
                Some(genuine)
            }
        };
        stage.send(&body, signature.as_deref());
        let run = run.finished(Duration::from_secs(20));
        run.exited(3);
        let told = line(&run);
        assert!(told.contains(expected), "{what}: {told}");
        assert!(stage.cluster.host("a").log().contains(expected), "{what}");
    }
    stage.wire.close(LIMIT);
    stage.cluster.assert_nothing_left();
}

#[test]
fn a_signature_of_another_type_than_text_is_refused_in_a_line() {
    let stage = Stage::new();
    let project = project(&stage, GREEN);
    for header in [
        "longstr, <<255,254>>",
        "long, 7",
        "bool, true",
        "void, undefined",
        "array, [{longstr, <<\"v1\">>}]",
        "table, [{<<\"v1\">>, longstr, <<\"x\">>}]",
    ] {
        let (run, body, _) = stage.offered(&project);
        stage.send_with_header(&body, header);
        let run = run.finished(Duration::from_secs(20));
        run.exited(3);
        let told = line(&run);
        assert!(told.contains("carries no signature"), "{header}: {told}");
    }
    stage.wire.close(LIMIT);
    stage.cluster.assert_nothing_left();
}

#[test]
fn a_message_is_a_replay_after_the_listener_was_killed_and_started_again() {
    let mut stage = Stage::new();
    let gate = Gate::open(stage.cluster.home());
    let spec = "require_relative '../gate'\nGate.pass('a')\n";
    let project = project(&stage, spec);
    gate.write_into(&project);
    let (run, body, genuine) = stage.offered(&project);
    stage.send(&body, Some(&genuine));
    let visit = gate.next();
    stage.cluster.restart_host("a");
    visit.closed_within(LIMIT);
    let memory = stage
        .cluster
        .host("a")
        .directory()
        .join("cache/used-signatures-1");
    let mode = fs::metadata(&memory).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    assert_eq!(fs::read_to_string(&memory).unwrap().lines().count(), 1);

    stage.cluster.wait_for_listener("a");
    stage.send(&body, Some(&genuine));
    let expected = "the signature of the job definition was used before: the message is a replay";
    until("the refusal", LIMIT, || {
        let said = run.stderr_so_far();
        said.contains(expected).then_some(()).ok_or(said)
    });
    // It waits for the host that it had.
    run.signal(Signal::Int);
    let run = run.finished(RUN_LIMIT);
    run.exited(130);
    let told = line(&run);
    assert!(told.contains(expected), "{told}");
    assert!(stage.cluster.host("a").log().contains(expected));
    stage.wire.close(LIMIT);
    stage.cluster.assert_nothing_left();
}

/// A broker that is lost before it has confirmed the offer gets it again, and so does the listener.
#[test]
fn an_offer_that_comes_twice_or_is_forged_does_not_end_the_job_that_it_began() {
    let stage = Stage::new();
    let gate = Gate::open(stage.cluster.home());
    let project = project(&stage, GREEN);
    gate.write_into(&project);
    project.write(
        "callbacks.rb",
        "require_relative 'gate'\nclass Waits < Gorgon::DefaultCallbacks\n  def after_sync\n    Gate.pass('sync')\n  end\nend\nGorgon.callbacks = Waits.new\n",
    );
    let config = json!({
        "files": ["spec/*_spec.rb"], "job_secret": "sesame", "cluster_id": "elsewhere",
        "job": { "callbacks": { "callbacks_class_file": "callbacks.rb" } },
    });
    project.write("gorgon.json", &config.to_string());
    let (run, body, genuine) = stage.offered(&project);
    stage.send(&body, Some(&genuine));
    let visit = gate.next();
    stage.send(&body, Some(&genuine));
    stage.send(&body, None);
    for reason in ["the message is a replay", "carries no signature"] {
        until("the listener's word", LIMIT, || {
            let log = stage.cluster.host("a").log();
            log.contains(reason).then_some(()).ok_or(log)
        });
    }
    visit.release();
    let run = run.finished(RUN_LIMIT);
    run.exited(0);
    assert!(!run.stderr.contains("refused"), "{}", run.stderr);
    stage.wire.close(LIMIT);
    stage.cluster.assert_nothing_left();
}
