//! A team's set-up: a virtual host of RabbitMQ, and hosts with real listeners.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use gorgon_process::{
    child::{self, Child, End, Options},
    signals::Signal,
};
use serde_json::{Value, json};

use crate::{
    home::{Home, files_below},
    machine::Machine,
    processes,
    project::Project,
    rabbit::{self, QueueSeen, RabbitMq, Vhost},
    run::{self, Finished, RUN_LIMIT, Run},
    wait::until,
};

/// A broker and its hosts. All that runs is in its home.
#[derive(Debug)]
pub struct Cluster {
    // Hosts go first, then the broker's virtual host, then the directory.
    hosts: Vec<Host>,
    vhost: Vhost<'static>,
    node: &'static RabbitMq,
    home: Home,
}

/// A host: a listener with directories of its own. Dropped, it is killed.
#[derive(Debug)]
pub struct Host {
    /// Its name.
    pub name: String,
    listener: Child,
    directory: PathBuf,
    config: PathBuf,
    log: PathBuf,
    machine: Option<Machine>,
}

impl Cluster {
    /// Starts hosts with so many slots each, and waits until they listen.
    ///
    /// # Panics
    /// When a host does not come up.
    pub fn start(hosts: &[(&str, u32)]) -> Self {
        Self::start_at(rabbit::shared(), hosts)
    }

    /// Starts the same with a node of its own, which the test may stop, freeze and restart.
    ///
    /// # Panics
    /// When a host does not come up.
    pub fn with_own_broker(hosts: &[(&str, u32)]) -> Self {
        // Left to its own: a node ends itself when the process that started it has ended.
        Self::start_at(Box::leak(Box::new(RabbitMq::start())), hosts)
    }

    /// Starts a node of its own that other machines can reach, and no host yet.
    pub fn for_other_machines() -> Self {
        let options = rabbit::Options {
            for_other_machines: true,
            ..rabbit::Options::default()
        };
        Self::start_at(Box::leak(Box::new(RabbitMq::start_with(&options))), &[])
    }

    /// Starts the same with this node.
    ///
    /// # Panics
    /// When a host does not come up.
    pub fn start_at(node: &'static RabbitMq, hosts: &[(&str, u32)]) -> Self {
        Self::start_in(node, node.vhost(), hosts)
    }

    /// Starts the same in this virtual host of the node.
    ///
    /// # Panics
    /// When a host does not come up.
    pub fn start_in(node: &'static RabbitMq, vhost: Vhost<'static>, hosts: &[(&str, u32)]) -> Self {
        let mut cluster = Self {
            hosts: Vec::new(),
            vhost,
            node,
            home: Home::new(),
        };
        for (name, slots) in hosts {
            cluster.start_host(name, *slots, &json!({}));
        }
        for (name, _) in hosts {
            cluster.wait_for_listener(name);
        }
        cluster
    }

    /// Starts one more host with these keys in its configuration besides its own. It may not listen yet.
    ///
    /// # Panics
    /// When the listener cannot be started.
    pub fn start_host(&mut self, name: &str, slots: u32, more: &Value) {
        self.start_host_as(name, slots, more, |command| command);
    }

    /// Starts one more host as a changed command. It may not listen yet.
    ///
    /// # Panics
    /// When the listener cannot be started.
    pub fn start_host_as(
        &mut self,
        name: &str,
        slots: u32,
        more: &Value,
        change: impl FnOnce(Command) -> Command,
    ) {
        let mut config = json!({ "host_name": name });
        extend(&mut config, more);
        self.add_host(name, slots, self.url(), &config, None, change);
    }

    /// Starts one more host that reaches the broker by another port of this machine. It may not listen yet.
    ///
    /// # Panics
    /// When the listener cannot be started.
    pub fn start_host_by(&mut self, port: u16, name: &str, slots: u32) {
        let url = self.url_of("127.0.0.1", port);
        let config = json!({ "host_name": name });
        self.add_host(name, slots, url, &config, None, |it| it);
    }

    /// Starts a host on a machine of its own, whose name it bears. It may not listen yet.
    ///
    /// # Panics
    /// When the listener cannot be started.
    pub fn start_host_on(&mut self, machine: Machine, slots: u32) {
        let (name, url) = (machine.name().to_owned(), self.url_at(machine.gateway()));
        self.add_host(&name, slots, url, &json!({}), Some(machine), |it| it);
    }

    fn add_host(
        &mut self,
        name: &str,
        slots: u32,
        url: String,
        more: &Value,
        machine: Option<Machine>,
        change: impl FnOnce(Command) -> Command,
    ) {
        let directory = self.home.path().join("run").join(name);
        fs::create_dir_all(&directory).expect("a directory in our own");
        let mut config = json!({
            "connection": { "url": url },
            "worker_slots": slots,
            "workspace_dir": directory.join("workspaces"),
            "cache_dir": directory.join("cache"),
        });
        extend(&mut config, more);
        let path = directory.join("gorgon_listener.json");
        fs::write(&path, config.to_string()).expect("a file in our own directory");
        let host = self.listen(name, directory, path, machine, change);
        self.hosts.push(host);
    }

    /// Kills a host's listener (`kill -9`), if it still runs, and starts it again with the same configuration and directories.
    ///
    /// # Panics
    /// When there is no such host, or its listener cannot be started.
    pub fn restart_host(&mut self, name: &str) {
        let at = self.hosts.iter().position(|host| host.name == name);
        let at = at.expect("a host that was started");
        let mut old = self.hosts.swap_remove(at);
        if processes::runs(old.pid()) {
            processes::signal(old.pid(), "KILL");
        }
        old.ended(Duration::from_secs(30));
        // A busy broker learns of it later.
        until(
            "the end of the old listener's queue",
            Duration::from_secs(30),
            || self.listens(name).map_or(Ok(()), Err),
        );
        let (directory, config) = (old.directory.clone(), old.config.clone());
        let host = self.listen(name, directory, config, old.machine.take(), |it| it);
        self.hosts.push(host);
    }

    fn listen(
        &self,
        name: &str,
        directory: PathBuf,
        config: PathBuf,
        machine: Option<Machine>,
        change: impl FnOnce(Command) -> Command,
    ) -> Host {
        let log = self.home.fresh(&format!("{name}.log"));
        let mut command = self.home.command("gorgon-listener");
        command.arg("--config").arg(&config);
        if let Some(machine) = &machine {
            command = machine.inside(&command);
        }
        command
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("a fresh file"));
        let listener = child::spawn(change(command), Options::default()).expect("start a listener");
        Host {
            name: name.to_owned(),
            listener,
            directory,
            config,
            log,
            machine,
        }
    }

    /// Waits until a host's listener takes jobs.
    ///
    /// # Panics
    /// When it does not.
    pub fn wait_for_listener(&self, name: &str) {
        until(
            &format!("listener on {name}"),
            Duration::from_secs(20),
            || match self.listens(name) {
                Ok(_) => Ok(()),
                Err(queues) => Err((queues, self.host(name).log())),
            },
        );
    }

    /// Returns the queue of the host's listener, or all queues if none listens.
    fn listens(&self, name: &str) -> Result<String, Vec<QueueSeen>> {
        let start = format!("gorgon.listener.{name}.");
        let queues = self.vhost.queues();
        let own = |queue: &&QueueSeen| queue.name.starts_with(&start) && queue.consumers > 0;
        match queues.iter().find(own) {
            Some(queue) => Ok(queue.name.clone()),
            None => Err(queues),
        }
    }

    /// Returns the directory of all of it.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Returns the broker's virtual host.
    pub fn vhost(&self) -> &Vhost<'static> {
        &self.vhost
    }

    /// Returns the broker's node.
    pub fn node(&self) -> &'static RabbitMq {
        self.node
    }

    /// Returns how the broker is reached from here, as a URL.
    pub fn url(&self) -> String {
        self.url_at("127.0.0.1")
    }

    fn url_at(&self, address: &str) -> String {
        self.url_of(address, self.node.port())
    }

    fn url_of(&self, address: &str, port: u16) -> String {
        format!(
            "amqp://{}:{}@{address}:{port}/{}",
            self.node.user(),
            self.node.password(),
            self.vhost.name()
        )
    }

    /// Returns a host.
    ///
    /// # Panics
    /// When there is none of this name.
    pub fn host(&self, name: &str) -> &Host {
        // The last one: there may have been another of the name before.
        self.hosts
            .iter()
            .rev()
            .find(|host| host.name == name)
            .expect("a host that was started")
    }

    /// Starts the originator in a project.
    pub fn begin(&self, project: &Project, arguments: &[&str]) -> Run {
        let url = self.url();
        run::start_with(&self.home, project, arguments, |command| {
            command.env("GORGON_BROKER_URL", url);
        })
    }

    /// Runs the originator in a project to its end.
    pub fn run(&self, project: &Project, arguments: &[&str]) -> Finished {
        self.begin(project, arguments).finished(RUN_LIMIT)
    }

    /// Asserts that nothing is left of any job: no process but the listeners, no queue but theirs, no workspace.
    ///
    /// # Panics
    /// When something is.
    pub fn assert_nothing_left(&self) {
        self.assert_nothing_left_but(0);
    }

    /// Asserts the same, but for the queues of so many jobs which nobody was there to delete: they hold
    /// nothing, nobody reads them, and they expire.
    ///
    /// # Panics
    /// When something else is left.
    pub fn assert_nothing_left_but(&self, abandoned_jobs: usize) {
        let listeners: Vec<_> = self.hosts.iter().map(|host| host.listener.pid()).collect();
        until(
            "end of all processes of the job",
            Duration::from_secs(40),
            || {
                let mut left = self.home.processes();
                left.retain(|process| !listeners.contains(&process.pid));
                if left.is_empty() {
                    Ok(())
                } else {
                    Err((left, self.logs()))
                }
            },
        );
        until("end of the job's queues", Duration::from_secs(30), || {
            let mut left = self.vhost.queues();
            left.retain(|queue| !queue.name.starts_with("gorgon.listener."));
            let dead = |queue: &QueueSeen| queue.messages == 0 && queue.consumers == 0;
            let files = |queue: &&QueueSeen| queue.name.starts_with("gorgon.files.");
            let expire =
                left.iter().all(dead) && left.iter().filter(files).count() == abandoned_jobs;
            if left.is_empty() || (abandoned_jobs > 0 && expire) {
                Ok(())
            } else {
                Err(left)
            }
        });
        for host in &self.hosts {
            until(
                &format!("end of the workspaces of {}", host.name),
                Duration::from_secs(30),
                || {
                    let left = host.workspaces();
                    if left.is_empty() { Ok(()) } else { Err(left) }
                },
            );
        }
        let left = files_below(&self.home.path().join("tmp"));
        assert!(left.is_empty(), "left in TMPDIR: {left:#?}");
    }

    /// Returns what the listeners logged.
    pub fn logs(&self) -> Vec<(String, String)> {
        self.hosts
            .iter()
            .map(|host| (host.name.clone(), host.log()))
            .collect()
    }
}

fn extend(config: &mut Value, more: &Value) {
    if let (Some(config), Some(more)) = (config.as_object_mut(), more.as_object()) {
        config.extend(more.clone());
    }
}

impl Host {
    /// Returns its machine.
    ///
    /// # Panics
    /// When it has none of its own.
    pub fn machine(&self) -> &Machine {
        self.machine.as_ref().expect("a host on another machine")
    }

    /// Returns the number of the listener's process.
    pub fn pid(&self) -> u32 {
        self.listener.pid()
    }

    /// Sends a signal to the listener alone.
    pub fn signal(&self, signal: Signal) {
        self.listener.signal(signal);
    }

    /// Waits for the listener's end.
    ///
    /// # Panics
    /// When it does not end within the limit.
    pub fn ended(&self, limit: Duration) -> End {
        match self.listener.end().recv_timeout(limit) {
            Ok(end) => end,
            Err(_) => panic!(
                "the listener of {} still runs after {limit:?}: {}",
                self.name,
                self.log()
            ),
        }
    }

    /// Returns what its listener, and what that started, logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Returns the directory of its configuration, workspaces and cache.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the workspaces that it has now.
    pub fn workspaces(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.directory.join("workspaces"))
            .into_iter()
            .flatten()
            .flatten();
        entries
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.path())
            .collect()
    }
}
