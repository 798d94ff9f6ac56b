//! End-to-end tests.

mod suites;
