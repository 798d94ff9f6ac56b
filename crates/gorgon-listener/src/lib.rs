//! The daemon of a host. It hears of jobs on the broker, makes a workspace for one at a time, and
//! starts a worker manager in it; it runs no test itself.
//!
//! `host_jobs` decides, `admit` says which offers may run here at all, `prepare` makes the
//! workspace in a thread of its own, `manager` starts the manager, and `run` waits and performs.

pub mod admit;
pub mod cli;
pub mod config;
pub mod host_jobs;
mod manager;
mod prepare;
mod run;
mod voice;

pub use run::{RunError, run};
