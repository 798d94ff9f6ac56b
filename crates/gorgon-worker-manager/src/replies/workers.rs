//! What is said of a worker after its end.

use gorgon_process::child::End;
use gorgon_proto::local::WORKER_PRELOADER_LOST;
use gorgon_proto::message::{Reply, Start, SuiteHookFailed, WorkerDied};
use gorgon_proto::outcome::FileError;

use super::Replies;

impl Replies {
    /// What a worker that died ran, as it would have said.
    pub fn start(&mut self, start: Start) {
        self.publish(&Reply::Start(start));
    }

    /// A worker died.
    pub fn death(&mut self, worker_id: u32, pid: u32, end: String) {
        let reply = Reply::WorkerDied(WorkerDied {
            hostname: self.hostname.clone(),
            listener_id: self.listener_id.clone(),
            worker_id,
            pid,
            end,
        });
        self.publish(&reply);
    }

    /// A worker ended before the Ruby child whose end it watched: the hooks of the suite may not have run, or have raised.
    pub fn end_unseen(&mut self, worker_id: u32, end: End) {
        let how = match end {
            End::Exited(code) if code == i32::from(WORKER_PRELOADER_LOST) => {
                "its preloader died".to_owned()
            }
            End::Exited(_) | End::Signaled(_) => end.to_string(),
        };
        let reply = Reply::SuiteHookFailed(SuiteHookFailed {
            hostname: self.hostname.clone(),
            listener_id: self.listener_id.clone(),
            worker_id,
            error: FileError {
                what: "end of the Ruby child".to_owned(),
                exception: None,
                message: format!(
                    "its worker ended ({how}) before it had seen whether the hooks at the end of the suite were done"
                ),
                backtrace: Vec::new(),
                test: None,
            },
            output: String::new(),
        });
        self.publish(&reply);
    }
}
