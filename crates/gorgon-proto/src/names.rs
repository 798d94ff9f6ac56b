//! Names of exchanges and queues.

use crate::job::{JobId, ListenerId};

/// Time after which an unused queue of a job is removed by the broker, in milliseconds: the last
/// resort when nobody is left to delete it.
pub const QUEUE_EXPIRES_MS: u32 = 600_000;

/// The private directory of a `--local` run begins so: its originator makes it, and its listener
/// removes it when the originator was killed.
pub const LOCAL_DIRECTORY_PREFIX: &str = "gorgon-local-";

fn with_cluster(name: &str, cluster: Option<&str>) -> String {
    match cluster {
        Some(cluster) if !cluster.is_empty() => format!("{name}.{cluster}"),
        _ => name.to_owned(),
    }
}

/// Returns the fanout exchange on which originators offer jobs and ask who is there.
#[must_use]
pub fn jobs_exchange(cluster: Option<&str>) -> String {
    with_cluster("gorgon.jobs", cluster)
}

/// Returns the fanout exchange on which listeners that start late announce themselves.
#[must_use]
pub fn originators_exchange(cluster: Option<&str>) -> String {
    with_cluster("gorgon.originators", cluster)
}

/// The direct exchange of control messages; the routing key is the job's id.
pub const CONTROL_EXCHANGE: &str = "gorgon.control";

/// The direct exchange of replies; the routing key is the name of the queue that is to take them.
/// With it a host's account needs no right on the broker's default exchange, by which it could put
/// a job into the queue of another host.
pub const REPLIES_EXCHANGE: &str = "gorgon.replies";

/// Returns the queue of a job's work items.
#[must_use]
pub fn file_queue(job: &JobId) -> String {
    format!("gorgon.files.{job}")
}

/// Returns the queue of a job's replies.
#[must_use]
pub fn reply_queue(job: &JobId) -> String {
    format!("gorgon.replies.{job}")
}

/// Returns the queue on which an originator hears of late listeners.
#[must_use]
pub fn originator_queue(job: &JobId) -> String {
    format!("gorgon.originator.{job}")
}

/// Returns the queue that holds an originator's mark: one transient message that nobody reads. Where it
/// is gone the broker has restarted, and every other message of the job is gone too.
#[must_use]
pub fn mark_queue(job: &JobId) -> String {
    format!("gorgon.originator.{job}.mark")
}

/// The names of all managers' queues begin so.
pub const MANAGER_QUEUE_PREFIX: &str = "gorgon.manager.";

/// Returns the queue of one manager of a job; `id` tells managers of one job apart.
#[must_use]
pub fn manager_queue(job: &JobId, id: &str) -> String {
    format!("{MANAGER_QUEUE_PREFIX}{job}.{id}")
}

/// Returns the queue of the manager that a listener has started with this process number.
#[must_use]
pub fn queue_of_manager(job: &JobId, listener: &ListenerId, pid: u32) -> String {
    manager_queue(job, &format!("{listener}.{pid}"))
}

/// Returns the queue of a listener: jobs, pings, cancels, and what its managers say.
#[must_use]
pub fn listener_queue(host: &str, id: &ListenerId) -> String {
    format!("gorgon.listener.{host}.{id}")
}

/// Returns the queue on which one ping is answered.
#[must_use]
pub fn ping_queue(nonce: u64) -> String {
    format!("gorgon.originator.ping-{nonce:016x}")
}
