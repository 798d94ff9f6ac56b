//! The test in the originator's and the listener's place: a broker, a project, and the originator's end of one job.

use std::io::Write;
use std::process::{ChildStdin, Stdio};
use std::time::{Duration, Instant};

use gorgon_broker::{
    Connections, Consume, Declare, Event, Patience, Publish, Session, Setup, Target,
};
use gorgon_local_broker::LocalBroker;
use gorgon_process::child::{self, Child, End, Options};
use gorgon_proto::config::{Connection, ListenerConfig, Secret};
use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::job::{JobDefinition, JobId, SCHEMA};
use gorgon_proto::message;
use gorgon_proto::names;
use integration::{
    gate::Gate,
    home::Home,
    project::Project,
    proxy::Proxy,
    wait::{secs, until},
};
use serde_json::{Value, json};

pub(super) const CALLBACKS: &str = r#"
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
pub(super) struct Stage {
    pub(super) home: Home,
    pub(super) broker: LocalBroker,
    /// Between the broker and the manager and its workers.
    pub(super) proxy: Option<Proxy>,
    pub(super) project: Project,
    pub(super) job: JobId,
    pub(super) session: Option<Session>,
    pub(super) replies: Vec<Value>,
    pub(super) tags: u64,
    pub(super) manager: Option<Child>,
    /// Open as long as the listener lives.
    pub(super) stdin: Option<ChildStdin>,
}

impl Stage {
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
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

    pub(super) fn session(&self) -> &Session {
        self.session.as_ref().unwrap()
    }

    pub(super) fn publish(&mut self, item: &WorkItem) {
        self.tags += 1;
        let queue = names::file_queue(&self.job);
        self.session()
            .publish(Publish::to_queue(queue, message::write(item), self.tags));
    }

    pub(super) fn definition(&self, more: &Value) -> JobDefinition {
        let mut definition = json!({
            "type": "job_definition", "schema": SCHEMA, "version": "test", "job": self.job, "originator_host": "here",
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
    pub(super) fn config(&self) -> std::path::PathBuf {
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
    pub(super) fn start(&mut self, slots: &str, more: &Value) {
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

    pub(super) fn manager(&self) -> &Child {
        self.manager.as_ref().unwrap()
    }

    /// Reads replies until one is as wanted; what is said of a lost item is answered as a ledger would.
    pub(super) fn reply(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
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

    pub(super) fn action(&mut self, action: &str) -> Value {
        self.reply(action, |reply| reply["action"] == action)
    }

    pub(super) fn finish(&mut self, item: u32) -> Value {
        self.reply("finish", |reply| {
            reply["action"] == "finish" && reply["item"] == item
        })
    }

    pub(super) fn count(&self, action: &str) -> usize {
        self.replies
            .iter()
            .filter(|reply| reply["action"] == action)
            .count()
    }

    /// The last verdict is there.
    pub(super) fn over(&self) {
        self.session().delete_queue(&names::file_queue(&self.job));
    }

    /// Waits until the broker has no file queue any more.
    pub(super) fn is_over(&self) {
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

    pub(super) fn ended(&self, limit: Duration) -> i32 {
        match self.manager().end().recv_timeout(limit) {
            Ok(End::Exited(code)) => code,
            other => panic!("the manager ended by {other:?}"),
        }
    }

    pub(super) fn hooks(&self) -> Vec<String> {
        self.project
            .read("hooks.log")
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

pub(super) fn target(broker: &LocalBroker) -> Target {
    Target {
        host: "127.0.0.1".to_owned(),
        port: broker.port(),
        user: broker.user().to_owned(),
        password: broker.password().to_owned(),
        ..Target::default()
    }
}

pub(super) const GATED: &str =
    "require_relative '../gate'\nRSpec.describe('g') { it('waits') { Gate.pass('g') } }\n";
pub(super) const GREEN: &str = "RSpec.describe('x') { it('holds') { expect(1).to eq 1 } }\n";

/// A job of one gated file with callbacks, in slot 1.
pub(super) fn gated() -> (Stage, Gate) {
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
