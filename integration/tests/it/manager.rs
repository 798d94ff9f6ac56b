//! One host's part of a job, with the test in the originator's and the listener's place: the real
//! manager, workers, preloader and Ruby children over the local broker.

mod ends;

use std::io::Write;
use std::process::{ChildStdin, Stdio};
use std::time::{Duration, Instant};

use gorgon_broker::{
    Connections, Consume, Declare, Event, Patience, Publish, Session, Setup, Target,
};
use gorgon_local_broker::LocalBroker;
use gorgon_process::child::{self, Child, End, Options};
use gorgon_process::signals::Signal;
use gorgon_proto::config::{Connection, ListenerConfig, Secret};
use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::job::{JobDefinition, JobId};
use gorgon_proto::message::{self, Control, Reply};
use gorgon_proto::names;
use integration::{
    gate::Gate,
    home::Home,
    processes,
    project::Project,
    proxy::Proxy,
    wait::{secs, until},
};
use serde_json::{Value, json};

const CALLBACKS: &str = r#"
class Hooks < Gorgon::DefaultCallbacks
  def note(text) File.open('hooks.log', 'a') { |f| f.puts(text) } end
  def before_creating_workers; note 'before_creating_workers'; end
  def before_start; note "before_start #{ENV['GORGON_WORKER_ID']}"; end
  def after_complete; note "after_complete #{ENV['GORGON_WORKER_ID']}"; end
  def after_creating_workers; note 'after_creating_workers'; end
end
Gorgon.callbacks = Hooks.new
"#;

/// The broker, and the originator's end of one job on it.
struct Stage {
    home: Home,
    broker: LocalBroker,
    /// Between the broker and the manager and its workers.
    proxy: Option<Proxy>,
    project: Project,
    job: JobId,
    session: Option<Session>,
    replies: Vec<Value>,
    tags: u64,
    manager: Option<Child>,
    /// Open as long as the listener lives.
    stdin: Option<ChildStdin>,
}

impl Stage {
    fn new(files: &[(&str, &str)]) -> Self {
        let home = Home::new();
        let broker = LocalBroker::start().unwrap();
        let project = Project::of(&home, files);
        let job = JobId("j1".to_owned());
        let queues = [names::file_queue(&job), names::reply_queue(&job)];
        let limit = Duration::from_secs(600);
        let setup = Setup {
            role: "test".to_owned(),
            declare: queues
                .iter()
                .map(|queue| Declare::expiring_queue(queue, limit))
                .collect(),
            consume: vec![Consume::many(queues[1].clone(), 100)],
            connections: Connections::One,
            ..Setup::default()
        };
        let session = Session::open(&target(&broker), setup, Patience::Forever).unwrap();
        Self {
            home,
            broker,
            proxy: None,
            project,
            job,
            session: Some(session),
            replies: Vec::new(),
            tags: 0,
            manager: None,
            stdin: None,
        }
    }

    fn session(&self) -> &Session {
        self.session.as_ref().unwrap()
    }

    fn publish(&mut self, item: &WorkItem) {
        self.tags += 1;
        let queue = names::file_queue(&self.job);
        self.session()
            .publish(Publish::to_queue(queue, message::write(item), self.tags));
    }

    fn definition(&self, more: &Value) -> JobDefinition {
        let mut definition = json!({
            "type": "job_definition", "schema": 1, "version": "test", "job": self.job, "originator_host": "here",
            "project": "/p", "file_queue_name": names::file_queue(&self.job),
            "reply_queue_name": names::reply_queue(&self.job), "items": 9, "sync": { "kind": "in_place" },
            "callback_timeout_s": 60.0, "seed": 1, "ruby": ["ruby"],
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            definition[key] = value.clone();
        }
        serde_json::from_value(definition).unwrap()
    }

    /// Writes a file with the connection.
    fn config(&self) -> std::path::PathBuf {
        let config = self.home.fresh("config");
        let connection = Connection {
            host: "127.0.0.1".to_owned(),
            port: self.proxy.as_ref().map_or(self.broker.port(), Proxy::port),
            user: self.broker.user().to_owned(),
            password: Secret(self.broker.password().to_owned()),
            ..Connection::default()
        };
        let text = ListenerConfig {
            connection,
            ..ListenerConfig::default()
        }
        .to_text();
        std::fs::write(&config, text).unwrap();
        config
    }

    /// Starts the manager of these slots.
    fn start(&mut self, slots: &str, more: &Value) {
        let config = self.config();
        let mut command = self.home.command("gorgon-worker-manager");
        command
            .arg("--config")
            .arg(&config)
            .args(["--job", &self.job.0]);
        command.args(["--file-queue", &names::file_queue(&self.job)]);
        command.args(["--reply-queue", &names::reply_queue(&self.job)]);
        command.args([
            "--listener-queue",
            "gorgon.listener.here.L1",
            "--host-name",
            "here",
            "--slots",
            slots,
        ]);
        command
            .arg("--workspace")
            .arg(self.project.path())
            .arg("--in-place")
            .stdin(Stdio::piped());
        let mut manager = child::spawn(command, Options::default()).unwrap();
        let definition = message::write(&self.definition(more));
        let mut stdin = manager.take_stdin().unwrap();
        stdin.write_all(&definition).unwrap();
        self.stdin = Some(stdin);
        self.manager = Some(manager);
    }

    fn manager(&self) -> &Child {
        self.manager.as_ref().unwrap()
    }

    /// Reads replies until one is as wanted; what is said of a lost item is answered as a ledger would.
    fn reply(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + secs(30);
        if let Some(found) = self.replies.iter().find(|reply| wanted(reply)) {
            return found.clone();
        }
        loop {
            let event = self.session().events().recv_deadline(until);
            let Ok(event) = event else {
                panic!("no {what}; there were {:#?}", self.replies)
            };
            let Event::Delivery(delivery) = event else {
                continue;
            };
            self.session().ack(delivery.token);
            let reply: Value = serde_json::from_slice(&delivery.body).unwrap();
            assert!(message::read_reply(&delivery.body).is_ok());
            self.replies.push(reply.clone());
            if wanted(&reply) {
                return reply;
            }
        }
    }

    fn action(&mut self, action: &str) -> Value {
        self.reply(action, |reply| reply["action"] == action)
    }

    fn finish(&mut self, item: u32) -> Value {
        self.reply("finish", |reply| {
            reply["action"] == "finish" && reply["item"] == item
        })
    }

    fn count(&self, action: &str) -> usize {
        self.replies
            .iter()
            .filter(|reply| reply["action"] == action)
            .count()
    }

    /// The last verdict is there.
    fn over(&self) {
        self.session().delete_queue(&names::file_queue(&self.job));
    }

    /// Waits until the broker has no file queue any more.
    fn is_over(&self) {
        let queue = names::file_queue(&self.job);
        until(
            "end of the file queue",
            secs(20),
            || match gorgon_broker::look_at_queue(&target(&self.broker), &queue, secs(20)) {
                Ok(None) => Ok(()),
                found => Err(format!("{found:?}")),
            },
        );
    }

    fn ended(&self, limit: Duration) -> i32 {
        match self.manager().end().recv_timeout(limit) {
            Ok(End::Exited(code)) => code,
            other => panic!("the manager ended by {other:?}"),
        }
    }

    fn hooks(&self) -> Vec<String> {
        self.project
            .read("hooks.log")
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

fn target(broker: &LocalBroker) -> Target {
    Target {
        host: "127.0.0.1".to_owned(),
        port: broker.port(),
        user: broker.user().to_owned(),
        password: broker.password().to_owned(),
        ..Target::default()
    }
}

const GATED: &str =
    "require_relative '../gate'\nRSpec.describe('g') { it('waits') { Gate.pass('g') } }\n";
const GREEN: &str = "RSpec.describe('x') { it('holds') { expect(1).to eq 1 } }\n";

/// A job of one gated file with callbacks, in slot 1.
fn gated() -> (Stage, Gate) {
    let mut stage = Stage::new(&[("spec/g_spec.rb", GATED), ("hooks.rb", CALLBACKS)]);
    let gate = Gate::open(&stage.home);
    gate.write_into(&stage.project);
    stage.publish(&WorkItem::whole(ItemId(0), "spec/g_spec.rb"));
    stage.start(
        "1",
        &json!({ "callbacks": { "callbacks_class_file": "hooks.rb" } }),
    );
    (stage, gate)
}

#[test]
fn a_host_runs_the_items_of_a_job_and_leaves() {
    let mut stage = Stage::new(&[
        ("spec/a_spec.rb", GREEN),
        ("spec/b_spec.rb", GREEN),
        ("hooks.rb", CALLBACKS),
    ]);
    for (id, file) in [(0, "spec/a_spec.rb"), (1, "spec/b_spec.rb")] {
        stage.publish(&WorkItem::whole(ItemId(id), file));
    }
    stage.start(
        "1,3",
        &json!({ "callbacks": { "callbacks_class_file": "hooks.rb" } }),
    );
    assert_eq!(stage.action("host_joined")["slots"], json!([1, 3]));
    for item in 0..2 {
        let finish = stage.finish(item);
        assert_eq!(finish["type"], "pass", "{finish:#?}");
        assert_eq!(finish["listener_id"], "L1");
    }
    stage.over();
    assert_eq!(stage.action("host_left")["reason"], "done");
    assert_eq!(stage.count("worker_ended"), 2);
    assert_eq!(stage.count("start"), 2);
    assert_eq!(stage.ended(secs(20)), 0);
    let hooks = stage.hooks();
    assert_eq!(hooks.first().unwrap(), "before_creating_workers");
    assert_eq!(hooks.last().unwrap(), "after_creating_workers");
    let starts = hooks
        .iter()
        .filter(|line| line.starts_with("before_start"))
        .count();
    let ends = hooks
        .iter()
        .filter(|line| line.starts_with("after_complete"))
        .count();
    assert!(starts == ends && (1..=2).contains(&starts), "{hooks:?}");
    stage.home.assert_nothing_left();
}

#[test]
fn a_worker_that_begins_to_consume_when_the_job_is_over_leaves_at_once() {
    let mut stage = Stage::new(&[("spec/a_spec.rb", GREEN)]);
    let proxy = Proxy::holding_back_consumers_of("gorgon.files.", stage.broker.port());
    stage.proxy = Some(proxy);
    stage.start("1", &json!({}));
    let proxy = stage.proxy.as_ref().unwrap();
    until("the worker's basic.consume", secs(30), || {
        if proxy.consumes() == 1 {
            Ok(())
        } else {
            Err(())
        }
    });
    stage.over();
    stage.is_over();
    proxy.let_consume();
    let began = Instant::now();
    assert_eq!(stage.action("host_left")["reason"], "done");
    assert_eq!(stage.ended(secs(20)), 0);
    println!("the host has left {:?} after it was told", began.elapsed());
    // A missing queue is the end of the job, and no outage after which one looks for it again.
    assert_eq!(stage.proxy.as_ref().unwrap().consumes(), 1);
    stage.home.assert_nothing_left();
}

#[test]
fn a_killed_worker_is_replaced_and_its_item_comes_back_as_returned() {
    let (mut stage, gate) = gated();
    let visit = gate.next();
    let start = stage.action("start");
    processes::signal(
        u32::try_from(start["pid"].as_u64().unwrap()).unwrap(),
        "KILL",
    );
    visit.closed();
    let died = stage.action("worker_died");
    assert_eq!(
        (&died["pid"], &died["end"]),
        (&start["pid"], &json!("SIGKILL"))
    );
    let returned = stage.action("returned");
    assert_ne!(returned["pid"], start["pid"]);
    stage.publish(&WorkItem {
        attempt: 2,
        ..WorkItem::whole(ItemId(0), "spec/g_spec.rb")
    });
    gate.next().release();
    assert_eq!(stage.finish(0)["attempt"], 2);
    stage.over();
    assert_eq!(stage.action("host_left")["reason"], "done");
    assert_eq!(stage.ended(secs(20)), 0);
    stage.home.assert_nothing_left();
}

#[test]
fn a_killed_preloader_is_started_once_more_and_then_the_host_leaves() {
    let (mut stage, gate) = gated();
    let manager = stage.manager().pid();
    for attempt in 1..=2 {
        let visit = gate.next();
        let preloader = stage
            .home
            .processes()
            .into_iter()
            .find(|p| p.parent == manager && p.arguments.contains("boot.rb"));
        let preloader = preloader.unwrap_or_else(|| panic!("{:#?}", stage.home.processes()));
        preloader.kill_9();
        visit.closed();
        if attempt == 1 {
            assert_eq!(stage.action("worker_died")["end"], "its preloader died");
            stage.action("returned");
            stage.publish(&WorkItem {
                attempt: 2,
                ..WorkItem::whole(ItemId(0), "spec/g_spec.rb")
            });
        }
    }
    let left = stage.action("host_left");
    assert_eq!(left["reason"], "preloader_failed", "{left:#?}");
    assert_eq!(stage.ended(secs(20)), 0);
    stage.home.assert_nothing_left();
}

#[test]
fn a_callback_that_raises_makes_the_host_leave_and_say_why() {
    for (callback, what) in [("before_creating_workers", 0), ("before_start", 1)] {
        let text = CALLBACKS.replace(&format!("note '{callback}'"), "raise 'no database'");
        let text = text.replace(
            &format!("note \"{callback} #{{ENV['GORGON_WORKER_ID']}}\""),
            "raise 'no database'",
        );
        assert_ne!(text, CALLBACKS);
        let mut stage = Stage::new(&[("spec/a_spec.rb", GREEN), ("hooks.rb", &text)]);
        stage.publish(&WorkItem::whole(ItemId(0), "spec/a_spec.rb"));
        stage.start(
            "1",
            &json!({ "callbacks": { "callbacks_class_file": "hooks.rb" } }),
        );
        let left = stage.action("host_left");
        assert_eq!(left["reason"], "callback_failed", "{left:#?}");
        assert_eq!(left["error"]["what"], callback, "{left:#?}");
        assert!(
            left["error"]["message"]
                .as_str()
                .unwrap()
                .contains("no database"),
            "{left:#?}"
        );
        assert_eq!(stage.count("handed_back"), what);
        assert_eq!(stage.ended(secs(20)), 0);
        stage.home.assert_nothing_left();
    }
}

#[test]
fn each_slot_may_have_a_directory_and_a_preloader_of_its_own() {
    let where_am_i = "RSpec.describe('x') { it('notes') { File.write(\"ran-#{File.basename($0)}\", Dir.pwd) } }\n";
    let files = ["slot-1", "slot-2"].map(|slot| {
        [
            (format!("{slot}/spec/a_spec.rb"), where_am_i),
            (format!("{slot}/spec/b_spec.rb"), where_am_i),
            (format!("{slot}/hooks.rb"), CALLBACKS),
        ]
    });
    let files: Vec<_> = files
        .iter()
        .flatten()
        .map(|(path, text)| (path.as_str(), *text))
        .collect();
    let mut stage = Stage::new(&files);
    for (id, file) in [(0, "spec/a_spec.rb"), (1, "spec/b_spec.rb")] {
        stage.publish(&WorkItem::whole(ItemId(id), file));
    }
    let callbacks = json!({ "callbacks_class_file": "hooks.rb" });
    stage.start(
        "1,2",
        &json!({ "workspace": "slot", "callbacks": callbacks }),
    );
    let finishes = [stage.finish(0), stage.finish(1)];
    stage.over();
    assert_eq!(stage.action("host_left")["reason"], "done");
    assert_eq!(stage.ended(secs(20)), 0);
    for slot in [1, 2] {
        let hooks = stage.project.read(&format!("slot-{slot}/hooks.log"));
        let ran = finishes.iter().any(|finish| finish["worker_id"] == slot);
        assert!(hooks.starts_with("before_creating_workers\n"), "{hooks}");
        assert!(hooks.ends_with("after_creating_workers\n"), "{hooks}");
        assert_eq!(
            hooks.contains(&format!("before_start {slot}")),
            ran,
            "{hooks}"
        );
    }
    stage.home.assert_nothing_left();
}

#[test]
fn a_worker_by_hand_takes_items_of_a_live_queue_and_ends_without_them() {
    let mut stage = Stage::new(&[("spec/a_spec.rb", GREEN)]);
    stage.publish(&WorkItem::whole(ItemId(0), "spec/a_spec.rb"));
    let config = stage.config();
    let mut command = stage.home.command("gorgon-worker");
    command.arg("--config").arg(config).arg("--workspace");
    command
        .arg(stage.project.path())
        .args(["--file-queue", &names::file_queue(&stage.job)]);
    let begun = Instant::now();
    let printed = gorgon_process::command::run(command, secs(20), b"").unwrap();
    assert!(begun.elapsed() > secs(2));
    assert_eq!(stage.finish(0)["type"], "pass");
    stage.action("worker_ended");
    assert_eq!(printed.stdout.lines().count(), 3, "{}", printed.stdout);
    stage.home.assert_nothing_left();
}

#[test]
fn replies_are_read_by_their_types() {
    // A reply that the test would not understand would make every other test here wait in vain.
    let reply =
        json!({"action": "idle", "hostname": "h", "listener_id": "L", "worker_id": 1, "pid": 2});
    assert!(matches!(
        message::read_reply(reply.to_string().as_bytes()),
        Ok(Reply::Idle(_))
    ));
}
