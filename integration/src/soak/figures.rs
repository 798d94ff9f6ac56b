//! What may not grow on a host that serves job after job.

use std::{fmt, fs};

use crate::{cluster::Cluster, home::files_below};

/// A host's state between two jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Resident memory of the listener, KiB.
    pub memory_kib: u64,
    /// Open file descriptors of the listener.
    pub descriptors: usize,
    /// Threads of the listener.
    pub threads: usize,
    /// Processes in the cluster's home, the listener among them.
    pub processes: usize,
    /// Queues of the virtual host.
    pub queues: usize,
    /// Connections to the node.
    pub connections: usize,
    /// Files and directories of the host, and those in TMPDIR.
    pub paths: usize,
}

impl Figures {
    /// Looks at a host of the cluster.
    pub fn of(cluster: &Cluster, host: &str) -> Self {
        let host = cluster.host(host);
        let proc = format!("/proc/{}", host.pid());
        let count = |path: &str| fs::read_dir(format!("{proc}/{path}")).map_or(0, Iterator::count);
        Self {
            memory_kib: memory_kib(&proc),
            descriptors: count("fd"),
            threads: count("task"),
            processes: cluster.home().processes().len(),
            queues: cluster.vhost().queues().len(),
            connections: cluster.node().connections().len(),
            paths: files_below(host.directory()).len()
                + files_below(&cluster.home().path().join("tmp")).len(),
        }
    }

    /// Names what has grown from `before` to these, memory left out: an allocator fills its arenas for some 100 jobs.
    pub fn grown_since(&self, before: &Self) -> Vec<&'static str> {
        let pairs = [
            ("descriptors", self.descriptors, before.descriptors),
            ("threads", self.threads, before.threads),
            ("processes", self.processes, before.processes),
            ("queues", self.queues, before.queues),
            ("connections", self.connections, before.connections),
            ("paths", self.paths, before.paths),
        ];
        pairs
            .into_iter()
            .filter(|(_, now, then)| now > then)
            .map(|(name, ..)| name)
            .collect()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "memory {} KiB, descriptors {}, threads {}, processes {}, queues {}, connections {}, paths {}",
            self.memory_kib,
            self.descriptors,
            self.threads,
            self.processes,
            self.queues,
            self.connections,
            self.paths
        )
    }
}

fn memory_kib(proc: &str) -> u64 {
    let status = fs::read_to_string(format!("{proc}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
