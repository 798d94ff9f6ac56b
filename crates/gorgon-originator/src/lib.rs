//! The user's command: plans a suite, offers it to listeners as a job, keeps the ledger of its
//! items and reports the results.
//!
//! `ledger`, `plan` and `report` are pure; `run` prepares a job, `drive` is its loop. Everything
//! that runs tests is behind the broker: this crate knows no worker.

pub mod awaited;
pub mod callbacks;
pub mod choose;
pub mod cli;
mod closing;
mod connect;
mod coverage;
pub mod destinations;
pub mod drive;
#[cfg(any(test, fuzzing))]
pub mod foreign;
pub mod glob;
pub mod guard;
pub mod history;
pub mod init;
pub mod job;
pub mod ledger;
pub mod local;
mod looks;
mod name_list;
pub mod ping;
pub mod plan;
mod rails_source;
pub mod record;
pub mod replace;
pub mod report;
pub mod rerun;
pub mod run;
pub mod screen;
pub mod select;
pub mod settings;
pub mod source;
pub mod split;
mod unbegun;
pub mod usual;
pub mod warm;
