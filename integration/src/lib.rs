//! What the end-to-end tests are made with: suites, brokers, hosts, projects, runs.
//!
//! A test owns a [`home::Home`]: a directory in which all of its processes live, with their own HOME, TMPDIR and cache
//! and no environment but that. It copies or writes a [`project::Project`] there, starts the real originator as a
//! [`run::Run`], against `--local` or a [`cluster::Cluster`], looks into running tests through [`gate::Gate`], and at the
//! end asserts that nothing is left. Waits are [`wait::until`]: bounded, and they say what they last saw.
//!
//! The binaries are those beside the test's own executable. `cargo test` builds no binary of another package, so the
//! first use in a test process has cargo build them ([`binaries`]); a test can then never meet an old one.

pub mod bench;
pub mod binaries;
pub mod cluster;
pub mod differential;
pub mod expected;
pub mod gate;
pub mod home;
pub mod junit;
pub mod machine;
pub mod processes;
pub mod project;
pub mod proxy;
pub mod rabbit;
pub mod run;
pub mod sim;
pub mod soak;
pub mod suite;
pub mod suite_run;
pub mod wait;
