//! A broker, a project and listeners, and the originator's end of any job.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;

use gorgon_broker::{
    Connections, Consume, Declare, Event, Patience, Publish, Session, Setup, Target, look_at_queue,
};
use gorgon_local_broker::LocalBroker;
use gorgon_process::child::{self, Child, End, Options};
use gorgon_process::signals::Signal;
use gorgon_proto::config::{Connection, ListenerConfig, Secret};
use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::job::{JobId, SCHEMA};
use gorgon_proto::message::{self, Control};
use gorgon_proto::{names, sign};
use integration::home::Home;
use integration::project::Project;
use integration::wait::{secs, until};
use serde_json::{Value, json};

/// A broker, a project, a listener, and an originator's end of any job.
pub(super) struct Stage {
    pub(super) listeners: Vec<Child>,
    pub(super) session: Session,
    pub(super) replies: Vec<Value>,
    pub(super) tags: u64,
    pub(super) project: Project,
    pub(super) broker: LocalBroker,
    pub(super) home: Home,
}

impl Stage {
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        let home = Home::new();
        let broker = LocalBroker::start().unwrap();
        let project = Project::of(&home, files);
        let setup = Setup {
            role: "test".to_owned(),
            declare: vec![
                Declare::fanout("gorgon.jobs"),
                Declare::fanout("gorgon.originators"),
                Declare::direct(names::CONTROL_EXCHANGE),
                Declare::queue("gorgon.originator.test"),
                Declare::bind("gorgon.originator.test", "gorgon.originators", ""),
            ],
            consume: vec![Consume::many("gorgon.originator.test", 100)],
            connections: Connections::One,
            ..Setup::default()
        };
        let connection = connection(&broker);
        let session = Session::open(&Target::from(&connection), setup, Patience::Forever).unwrap();
        Self {
            listeners: Vec::new(),
            session,
            replies: Vec::new(),
            tags: 0,
            project,
            broker,
            home,
        }
    }

    /// Starts a listener and waits until it has announced itself.
    pub(super) fn start(&mut self, change: impl FnOnce(&mut ListenerConfig), arguments: &[&str]) {
        let mut config = ListenerConfig {
            connection: connection(&self.broker),
            worker_slots: Some(2),
            host_name: Some("web1".to_owned()),
            ..ListenerConfig::default()
        };
        change(&mut config);
        let path = self.home.fresh("listener.json");
        std::fs::write(&path, config.to_text()).unwrap();
        let log = std::fs::File::create(self.home.fresh("listener.log")).unwrap();
        let mut command = self.home.command("gorgon-listener");
        command
            .arg("--config")
            .arg(path)
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(log);
        self.listeners
            .push(child::spawn(command, Options::default()).unwrap());
        self.heard("announcement", |reply| {
            reply["listener_queue_name"].is_string()
        });
    }

    pub(super) fn definition(&self, job: &str, more: &Value) -> Value {
        let job = JobId(job.to_owned());
        let mut definition = json!({
            "type": "job_definition", "schema": SCHEMA, "version": env!("CARGO_PKG_VERSION"), "job": job,
            "originator_host": "desk", "project": "/home/me/my app",
            "file_queue_name": names::file_queue(&job), "reply_queue_name": names::reply_queue(&job),
            "items": 9, "callback_timeout_s": 60.0, "seed": 1, "ruby": ["ruby"],
            "sync": { "kind": "path", "source_tree_path": self.project.path() },
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            definition[key] = value.clone();
        }
        definition
    }

    /// Makes the queues of a job and offers it.
    pub(super) fn offer(&mut self, job: &str, more: &Value) {
        let definition = self.definition(job, more);
        self.open_queues(job);
        self.publish_offer(&definition, None);
    }

    pub(super) fn open_queues(&mut self, job: &str) {
        let job = JobId(job.to_owned());
        let queues = [names::file_queue(&job), names::reply_queue(&job)];
        let limit = secs(600);
        let declare = queues
            .iter()
            .map(|queue| Declare::expiring_queue(queue, limit))
            .collect();
        self.session.declare(declare);
        self.session.consume(Consume::many(&queues[1], 100));
    }

    pub(super) fn publish_offer(&mut self, definition: &Value, signature: Option<String>) {
        self.tags += 1;
        let body = serde_json::to_vec(definition).unwrap();
        let mut publish = Publish::to_exchange("gorgon.jobs", "", body, self.tags);
        if let Some(signature) = signature {
            publish.headers = BTreeMap::from([(sign::HEADER.to_owned(), signature)]);
        }
        self.session.publish(publish);
    }

    pub(super) fn item(&mut self, job: &str, item: u32, file: &str) {
        self.tags += 1;
        let queue = names::file_queue(&JobId(job.to_owned()));
        let body = message::write(&WorkItem::whole(ItemId(item), file));
        self.session
            .publish(Publish::to_queue(queue, body, self.tags));
    }

    /// Says that a job is over.
    pub(super) fn end(&self, job: &str) {
        self.session
            .delete_queue(&names::file_queue(&JobId(job.to_owned())));
    }

    pub(super) fn cancel(&mut self, job: &str) {
        self.tags += 1;
        let body = message::write(&Control::CancelJob {
            job: JobId(job.to_owned()),
        });
        self.session.publish(Publish::to_exchange(
            names::CONTROL_EXCHANGE,
            job,
            body,
            self.tags,
        ));
    }

    /// Waits for a message, among those that came and those to come; each is returned once.
    pub(super) fn heard(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        until(what, secs(30), || {
            while let Ok(event) = self.session.events().try_recv() {
                if let Event::Delivery(delivery) = event {
                    self.session.ack(delivery.token);
                    self.replies
                        .push(serde_json::from_slice(&delivery.body).unwrap());
                }
            }
            match self.replies.iter().position(&wanted) {
                Some(at) => Ok(self.replies.remove(at)),
                None => Err(self.replies.clone()),
            }
        })
    }

    pub(super) fn action(&mut self, action: &str) -> Value {
        self.heard(action, |reply| reply["action"] == action)
    }

    pub(super) fn answered(&mut self, answer: &str) -> Value {
        self.heard(answer, |reply| reply["answer"] == answer)
    }

    pub(super) fn left(&mut self, reason: &str) -> Value {
        let left = self.action("host_left");
        assert_eq!(left["reason"], reason, "{left:#}");
        left
    }

    /// Waits until there is no such queue.
    pub(super) fn has_no_queue(&self, queue: &str) {
        let target = Target::from(&connection(&self.broker));
        until("end of a queue", secs(10), || {
            match look_at_queue(&target, queue, secs(5)) {
                Ok(None) => Ok(()),
                seen => Err(format!("{queue}: {seen:?}")),
            }
        });
    }

    /// Returns what lies in the directory of workspaces.
    pub(super) fn workspaces(&self) -> Vec<PathBuf> {
        let directory = self.home.path().join("home/.gorgon/workspaces");
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    }

    pub(super) fn no_workspace_is_left(&self) {
        until("empty directory of workspaces", secs(10), || {
            let left = self.workspaces();
            if left.is_empty() { Ok(()) } else { Err(left) }
        });
    }

    pub(super) fn stop(&mut self) {
        for listener in self.listeners.drain(..) {
            listener.signal(Signal::Term);
            assert_eq!(listener.end().recv_timeout(secs(20)), Ok(End::Exited(0)));
        }
        self.home.assert_nothing_left();
    }

    pub(super) fn mark(&self) -> PathBuf {
        self.home.path().join("run/mark")
    }

    pub(super) fn marked(&self) {
        let mark = self.mark();
        until("mark of after_sync", secs(20), || {
            if mark.exists() { Ok(()) } else { Err(()) }
        });
    }
}

pub(super) fn connection(broker: &LocalBroker) -> Connection {
    Connection {
        port: broker.port(),
        user: broker.user().to_owned(),
        password: Secret(broker.password().to_owned()),
        ..Connection::default()
    }
}
