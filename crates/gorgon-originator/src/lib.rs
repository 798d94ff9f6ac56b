//! The user's command: plans a suite, offers it to listeners as a job, keeps the ledger of its
//! items and reports the results.

pub mod glob;
pub mod history;
pub mod ledger;
pub mod plan;
pub mod report;
