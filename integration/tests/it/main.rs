//! End-to-end tests.

mod broker_contract;
mod suites;
