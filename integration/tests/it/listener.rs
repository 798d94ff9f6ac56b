//! A listener, with the test in the originator's place: the real listener, and what it starts, over
//! the local broker, with a directory as the source.

mod ends;
mod stage;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use gorgon_broker::{Declare, Publish};
use gorgon_process::child::End;
use gorgon_proto::config::Secret;
use gorgon_proto::{names, sign};
use integration::home::files_below;
use integration::wait::secs;
use serde_json::{Value, json};

use stage::Stage;

const PASSES: (&str, &str) = (
    "spec/a_spec.rb",
    "RSpec.describe('a') { it('passes') { File.write('here', Dir.pwd) } }\n",
);
const SLOW_SYNC: &str = "
class Hooks < Gorgon::DefaultCallbacks
  def after_sync; File.write(ENV.fetch('MARK'), 'x'); sleep 100; end
end
Gorgon.callbacks = Hooks.new
";

fn callbacks() -> Value {
    json!({ "callbacks_class_file": "callbacks.rb" })
}

#[test]
fn a_job_is_served_in_a_workspace_that_is_gone_afterwards() {
    let mut stage = Stage::new(&[PASSES]);
    stage.start(|_| {}, &[]);
    stage.offer("j1", &json!({}));
    stage.item("j1", 0, PASSES.0);
    assert_eq!(stage.answered("accepted")["hostname"], "web1");
    assert_eq!(stage.action("host_joined")["slots"], json!([1, 2]));
    assert_eq!(stage.action("finish")["type"], "pass");
    let workspaces = stage.workspaces();
    for path in &workspaces {
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }
    let here = workspaces
        .iter()
        .map(|path| path.join("my app/here"))
        .find(|path| path.exists());
    let here = std::fs::read_to_string(here.expect("the test wrote it")).unwrap();
    assert!(
        here.ends_with("/my app"),
        "a workspace is called as the project is: {here}"
    );
    for (path, _) in files(&workspaces)
        .iter()
        .filter(|(_, text)| text.contains("password"))
    {
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{} holds the password", path.display());
    }
    for process in stage.home.processes() {
        assert!(
            !process.arguments.contains(stage.broker.password()),
            "{}",
            process.arguments
        );
    }
    stage.end("j1");
    stage.left("done");
    stage.no_workspace_is_left();
    assert!(
        !stage.project.path().join("here").exists(),
        "nothing was written into the source"
    );
    stage.stop();
}

fn files(directories: &[PathBuf]) -> Vec<(PathBuf, String)> {
    let files = directories
        .iter()
        .flat_map(|directory| files_below(directory));
    files
        .filter_map(|path| Some((path.clone(), std::fs::read_to_string(path).ok()?)))
        .collect()
}

#[test]
fn a_changed_file_reaches_the_next_job() {
    let mut stage = Stage::new(&[PASSES]);
    stage.start(|_| {}, &[]);
    for (job, text, expected) in [
        ("j1", PASSES.1, "pass"),
        ("j2", "RSpec.describe('a') { it('x') { fail } }\n", "fail"),
    ] {
        stage.project.write(PASSES.0, text);
        stage.offer(job, &json!({}));
        stage.item(job, 0, PASSES.0);
        assert_eq!(stage.action("finish")["type"], expected);
        stage.end(job);
        stage.left("done");
    }
    stage.stop();
}

#[test]
fn each_slot_has_a_copy_of_its_own_when_asked_for() {
    let mut stage = Stage::new(&[(
        "callbacks.rb",
        "
class Hooks < Gorgon::DefaultCallbacks
  def after_sync; File.write('once', File.exist?('once') ? 'twice' : 'once'); end
end
Gorgon.callbacks = Hooks.new
",
    )]);
    let file = "
RSpec.describe 'b' do
  it 'has a directory of its own' do
    expect(File.read('once')).to eq 'once'
    expect(Dir.pwd).to end_with(\"/slot-#{ENV['GORGON_WORKER_ID']}\")
  end
end
";
    stage.project.write("spec/b_spec.rb", file);
    stage.start(|_| {}, &[]);
    stage.offer(
        "j1",
        &json!({ "workspace": "slot", "callbacks": callbacks() }),
    );
    for item in 0..4 {
        stage.item("j1", item, "spec/b_spec.rb");
    }
    for _ in 0..4 {
        let finish = stage.action("finish");
        assert_eq!(finish["type"], "pass", "{finish:#}");
    }
    stage.end("j1");
    stage.left("done");
    stage.no_workspace_is_left();
    stage.stop();
}

#[test]
fn a_source_that_is_not_there_is_told_in_rsyncs_words() {
    let mut stage = Stage::new(&[PASSES]);
    stage.start(|_| {}, &[]);
    stage.offer(
        "j1",
        &json!({ "sync": { "kind": "path", "source_tree_path": "/nowhere/at/all" } }),
    );
    stage.answered("accepted");
    let error = stage.left("sync_failed")["error"]["message"].to_string();
    assert!(error.contains("No such file or directory"), "{error}");
    stage.no_workspace_is_left();
    stage.stop();
}

#[test]
fn an_after_sync_that_raises_is_told_with_its_output() {
    let raises = "
class Hooks < Gorgon::DefaultCallbacks
  def after_sync; puts 'installing'; raise 'no gems today'; end
end
Gorgon.callbacks = Hooks.new
";
    let mut stage = Stage::new(&[PASSES, ("callbacks.rb", raises)]);
    stage.start(|_| {}, &[]);
    stage.offer("j1", &json!({ "callbacks": callbacks() }));
    let error = stage.left("callback_failed")["error"].clone();
    assert_eq!(error["what"], "after_sync");
    assert!(
        error["message"].to_string().contains("no gems today"),
        "{error:#}"
    );
    assert!(
        error["output"].to_string().contains("installing"),
        "{error:#}"
    );
    stage.no_workspace_is_left();
    stage.stop();
}

#[test]
fn offers_that_may_not_run_here_are_refused_with_the_reason() {
    let mut stage = Stage::new(&[PASSES]);
    stage.start(
        |config| config.job_secret = Some(Secret("s".to_owned())),
        &[],
    );
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    stage.open_queues("j1");
    let sign_with = |secret: &str, definition: &Value, number: u8| {
        Some(sign::sign(
            secret,
            [number; 16],
            now,
            &serde_json::to_vec(definition).unwrap(),
        ))
    };
    let good = stage.definition("j1", &json!({}));
    let other_version = stage.definition("j1", &json!({ "version": "9.9.9", "seed": "?" }));
    let in_place = stage.definition("j1", &json!({ "sync": { "kind": "in_place" } }));
    for (definition, signature, reason) in [
        (&good, None, "signature"),
        (&good, sign_with("other", &good, 1), "signature"),
        (&other_version, sign_with("s", &other_version, 2), "9.9.9"),
        (&in_place, sign_with("s", &in_place, 3), "in place"),
    ] {
        stage.publish_offer(definition, signature);
        let told = stage.answered("refused")["reason"].to_string();
        assert!(told.contains(reason), "{told}");
    }
    for junk in [&b"junk"[..], b"{}", b"[]", br#"{"type":"job_definition"}"#] {
        stage
            .session
            .publish(Publish::to_exchange("gorgon.jobs", "", junk, 0));
    }
    let signature = sign_with("s", &good, 4);
    stage.publish_offer(&good, signature);
    stage.answered("accepted");
    stage.end("j1");
    stage.left("done");
    stage.stop();
}

#[test]
fn a_ping_is_answered_while_a_job_is_prepared_and_another_waits() {
    let mut stage = Stage::new(&[PASSES, ("callbacks.rb", SLOW_SYNC)]);
    stage.start(|_| {}, &[]);
    let mark = json!({ "callbacks": callbacks(), "env": { "MARK": stage.mark() } });
    stage.offer("j1", &mark);
    stage.answered("accepted");
    stage.marked();
    // Two jobs share its two slots; a third one waits.
    stage.offer("j2", &json!({}));
    stage.answered("accepted");
    assert_eq!(stage.action("host_joined")["slots"], json!([1, 2]));
    stage.offer("j3", &json!({}));
    let reason = stage.answered("busy")["reason"].to_string();
    assert!(reason.contains("j1, j2"), "{reason}");
    let ping = json!({ "type": "ping", "reply_queue_name": "gorgon.originator.test" });
    let body = serde_json::to_vec(&ping).unwrap();
    stage
        .session
        .publish(Publish::to_exchange("gorgon.jobs", "", body, 0));
    let pong = stage.heard("pong", |reply| reply["type"] == "ping_response");
    assert_eq!(pong["jobs"], json!(["j1", "j2", "j3"]));
    assert_eq!(
        (&pong["worker_slots"], &pong["free"]),
        (&json!(2), &json!(0))
    );
    // The cancel ends the preparation, and the third job has its turn.
    stage.cancel("j1");
    stage.left("cancelled");
    stage.answered("accepted");
    stage.action("host_joined");
    for job in ["j2", "j3"] {
        stage.end(job);
        stage.left("done");
    }
    stage.no_workspace_is_left();
    stage.stop();
}

#[test]
fn a_listener_that_is_stopped_ends_its_preparation_and_tells_those_who_wait() {
    let mut stage = Stage::new(&[PASSES, ("callbacks.rb", SLOW_SYNC)]);
    stage.start(|_| {}, &[]);
    let mark = json!({ "callbacks": callbacks(), "env": { "MARK": stage.mark() } });
    stage.offer("j1", &mark);
    stage.marked();
    stage.offer("j2", &json!({}));
    stage.answered("accepted");
    stage.offer("j3", &json!({}));
    stage.answered("busy");
    stage.stop();
    for _ in 0..3 {
        stage.left("stopped");
    }
    stage.no_workspace_is_left();
}

#[test]
fn a_job_whose_originator_is_gone_is_not_begun() {
    let mut stage = Stage::new(&[PASSES]);
    stage.start(|_| {}, &["--once"]);
    let definition = stage.definition("j1", &json!({}));
    stage.publish_offer(&definition, None);
    let listener = stage.listeners.remove(0);
    assert_eq!(listener.end().recv_timeout(secs(20)), Ok(End::Exited(0)));
    stage.no_workspace_is_left();
    stage.stop();
}

#[test]
fn a_listener_of_a_cluster_hears_its_jobs_alone() {
    let mut stage = Stage::new(&[PASSES]);
    stage.start(|_| {}, &[]);
    let exchange = names::originators_exchange(Some("blue"));
    stage.session.declare(vec![
        Declare::fanout(&exchange),
        Declare::bind("gorgon.originator.test", exchange, ""),
    ]);
    stage.start(
        |config| {
            config.cluster_id = Some("blue".to_owned());
            config.host_name = Some("web2".to_owned());
        },
        &[],
    );
    stage.offer("j1", &json!({}));
    assert_eq!(stage.answered("accepted")["hostname"], "web1");
    let ping = json!({ "type": "ping", "reply_queue_name": "gorgon.originator.test" });
    let body = serde_json::to_vec(&ping).unwrap();
    let blue = names::jobs_exchange(Some("blue"));
    stage
        .session
        .publish(Publish::to_exchange(blue, "", body, 0));
    let pong = stage.heard("pong", |reply| reply["type"] == "ping_response");
    assert_eq!(
        (&pong["hostname"], &pong["jobs"]),
        (&json!("web2"), &json!([]))
    );
    stage.end("j1");
    stage.left("done");
    stage.stop();
}
