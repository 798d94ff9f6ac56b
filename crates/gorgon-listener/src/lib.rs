//! The daemon of a host. It hears of jobs on the broker, makes a workspace for each, and
//! starts a worker manager in it; it runs no test itself.
//!
//! `admit` says which offers may run here at all (`replays` keeps the signatures that were used), `host` which of them are served, `host_job` what
//! becomes of each, `slots` which slots each may use: they are pure. `prepare` makes the workspace in a thread of its own, `manager`
//! starts the manager, and `run` waits and performs.

pub mod admit;
pub mod cli;
pub mod config;
#[cfg(test)]
mod foreign;
pub mod host;
pub mod host_job;
mod job_files;
mod manager;
mod prepare;
mod replays;
mod run;
pub mod slots;
mod sweep;
mod topology;
mod voice;

pub use run::{RunError, run};
