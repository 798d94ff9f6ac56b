//! What the end-to-end tests are made with: suites, brokers, hosts, projects, runs.

pub mod proxy;
pub mod rabbit;
pub mod suite;
pub mod suite_run;
