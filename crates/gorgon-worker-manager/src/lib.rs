//! gorgon-worker-manager: one job on one host.
//!
//! [`supervise`] decides, as a pure state machine over events; [`run`] waits and performs. A
//! listener starts it with the job definition on stdin. It starts the preloader, and a worker for
//! each slot, replaces those that die, notices when nobody wants the job any more, and is the
//! subreaper of whatever its Ruby children leave behind.

pub mod cli;
pub mod deaths;
pub mod event;
pub mod lookout;
mod number;
pub mod parent;
mod preloaders;
pub mod replies;
pub mod ruby;
pub mod run;
pub mod sharing;
pub mod sockets;
pub mod start;
pub mod supervise;
mod trace;
pub mod worker;
mod workers;
