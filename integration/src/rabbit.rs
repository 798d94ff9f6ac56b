//! A private RabbitMQ node: started by a test, for that test process alone, and gone with it.
//!
//! It needs Debian's `rabbitmq-server` to be installed, not to run: no epmd, no CLI, no root, no
//! fixed port. Tests that share a node ([`shared`]) have a virtual host each. Tests that stop,
//! freeze or starve one start their own ([`RabbitMq::start`]).

mod certificates;
mod config;
mod inside;
mod installed;
mod node;

pub use certificates::Certificates;
pub use inside::QueueSeen;
pub use node::{Options, RabbitMq};

use gorgon_broker::Target;
use gorgon_proto::config::{Connection, Secret};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Returns the node that the tests of this process share; started at the first call.
///
/// A static is never dropped: the node ends itself when this process has ended.
pub fn shared() -> &'static RabbitMq {
    static NODE: OnceLock<RabbitMq> = OnceLock::new();
    NODE.get_or_init(RabbitMq::start)
}

/// A virtual host of one test, removed when dropped.
#[derive(Debug)]
pub struct Vhost<'n> {
    node: &'n RabbitMq,
    name: String,
}

impl RabbitMq {
    /// Makes a virtual host with a name of its own, in which the node's user may do everything.
    pub fn vhost(&self) -> Vhost<'_> {
        self.vhost_with("")
    }

    /// Makes the same, where a queue whose declaration names no type is a quorum queue: some services
    /// have it so. A RabbitMQ before 3.11 knows no such default, and takes no notice.
    pub fn vhost_of_quorum_queues(&self) -> Vhost<'_> {
        let vhost = self.vhost_with("default_queue_type => <<\"quorum\">>");
        self.eval(&format!(
            "[<<\"quorum\">> = rabbit_vhost:default_queue_type(<<\"{}\">>) || \
             erlang:function_exported(rabbit_vhost, default_queue_type, 1)].",
            vhost.name
        ));
        vhost
    }

    fn vhost_with(&self, metadata: &str) -> Vhost<'_> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.add_vhost_with(&name, metadata);
        Vhost { node: self, name }
    }

    /// Makes a virtual host in which the node's user may do everything.
    pub fn add_vhost(&self, name: &str) {
        self.add_vhost_with(name, "");
    }

    fn add_vhost_with(&self, name: &str, metadata: &str) {
        let user = self.user();
        self.eval(&format!(
            "ok = rabbit_vhost:add(<<\"{name}\">>, #{{{metadata}}}, <<\"gorgon\">>), \
             ok = rabbit_auth_backend_internal:set_permissions(<<\"{user}\">>, <<\"{name}\">>, \
             <<\".*\">>, <<\".*\">>, <<\".*\">>, <<\"gorgon\">>)."
        ));
    }

    /// Makes a user with these rights in a virtual host: what it may configure, write and read.
    pub fn add_user(&self, user: &str, password: &str, vhost: &str, rights: [&str; 3]) {
        let [configure, write, read] = rights.map(|right| right.replace('\\', "\\\\"));
        self.eval(&format!(
            "ok = rabbit_auth_backend_internal:add_user(<<\"{user}\">>, <<\"{password}\">>, <<\"gorgon\">>), \
             ok = rabbit_auth_backend_internal:set_permissions(<<\"{user}\">>, <<\"{vhost}\">>, \
             <<\"{configure}\">>, <<\"{write}\">>, <<\"{read}\">>, <<\"gorgon\">>)."
        ));
    }

    /// Returns how to reach the node's default virtual host.
    pub fn connection(&self) -> Connection {
        Connection {
            host: "127.0.0.1".to_owned(),
            port: self.port(),
            user: self.user().to_owned(),
            password: Secret(self.password().to_owned()),
            ..Connection::default()
        }
    }

    /// Returns the same for the broker crate.
    pub fn target(&self) -> Target {
        Target::from(&self.connection())
    }
}

impl Vhost<'_> {
    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its node.
    pub fn node(&self) -> &RabbitMq {
        self.node
    }

    /// Returns how to reach it.
    pub fn connection(&self) -> Connection {
        Connection {
            vhost: self.name.clone(),
            ..self.node.connection()
        }
    }

    /// Returns the same for the broker crate.
    pub fn target(&self) -> Target {
        Target::from(&self.connection())
    }

    /// Returns its queues.
    pub fn queues(&self) -> Vec<QueueSeen> {
        self.node.queues(&self.name)
    }
}

impl Drop for Vhost<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.node.keep();
            return;
        }
        let name = &self.name;
        self.node.eval(&format!(
            "rabbit_vhost:delete(<<\"{name}\">>, <<\"gorgon\">>)."
        ));
    }
}
