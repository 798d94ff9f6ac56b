//! What a listener wants to find on the broker.

use gorgon_broker::{Connections, Consume, Declare, Setup};
use gorgon_proto::job::JobId;
use gorgon_proto::names;

use crate::voice::Voice;

/// How many deliveries a listener holds at most: it acknowledges each as soon as it has read it.
const PREFETCH: u16 = 16;

/// Returns what is declared and consumed at each connection.
pub(crate) fn setup(voice: &Voice) -> Setup {
    let jobs = names::jobs_exchange(voice.cluster.as_deref());
    let mut declare = vec![
        Declare::fanout(&jobs),
        Declare::fanout(names::originators_exchange(voice.cluster.as_deref())),
        Declare::direct(names::CONTROL_EXCHANGE),
        Declare::direct(names::REPLIES_EXCHANGE),
    ];
    declare.extend(queue(&voice.queue));
    declare.push(Declare::bind(&voice.queue, jobs, ""));
    Setup {
        role: format!("gorgon-listener {} {}", voice.host, voice.id),
        declare,
        consume: vec![Consume::many(&voice.queue, PREFETCH)],
        connections: Connections::Two,
        ..Setup::default()
    }
}

/// Returns the queue by which a listener hears of a job's cancel: one for each job, so that no
/// binding outlives its job.
pub(crate) fn control_queue(voice: &Voice, job: &JobId) -> String {
    names::manager_queue(job, &format!("listener-{}", voice.id))
}

/// Returns what is declared while a job waits, is prepared or runs.
pub(crate) fn control(voice: &Voice, job: &JobId) -> (Vec<Declare>, Consume) {
    let name = control_queue(voice, job);
    let mut declare = queue(&name);
    declare.push(Declare::bind(&name, names::CONTROL_EXCHANGE, &job.0));
    (declare, Consume::many(name, PREFETCH))
}

/// A queue that is deleted with its last consumer, so that a dead listener's collects no offers. It is
/// not exclusive: after a cut link the broker would keep it for the dead connection and refuse it to
/// the new one.
fn queue(name: &str) -> Vec<Declare> {
    vec![Declare::brief_queue(name)]
}
