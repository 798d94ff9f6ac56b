//! What `make bench` measures: each subject is a file, and adds its rows to [`all`].
//!
//! Timings live here and in no test: a shared machine is no judge of right and wrong.

pub mod figure;
pub mod overhead;
pub mod rabbit;
pub mod scale;
pub mod skewed;
pub mod small;
pub mod start;
pub mod suites;
pub mod timing;
pub mod trivial;

use figure::Figure;

use crate::home::Home;

/// What all subjects get.
#[derive(Debug)]
pub struct Bench {
    /// How often each command is measured.
    pub runs: usize,
    /// Where all of it takes place.
    pub home: Home,
}

/// A subject: its rows, or why there are none.
pub type Subject = fn(&Bench) -> Result<Vec<Figure>, String>;

/// Returns the subjects by name, in the order of the table.
pub fn all() -> Vec<(&'static str, Subject)> {
    vec![
        ("trivial", trivial::rows),
        ("one", trivial::one),
        ("rabbit", rabbit::rows),
        ("overhead", overhead::rows),
        ("start", start::rows),
        ("skewed", skewed::rows),
        ("facter", suites::facter),
        ("small", small::rows),
    ]
}

/// Returns the subjects that take minutes, and run only where they are named.
pub fn long() -> Vec<(&'static str, Subject)> {
    vec![
        ("activesupport", suites::activesupport),
        ("rubygems", suites::rubygems),
        ("collectd", suites::collectd),
        ("redmine", suites::redmine),
        ("scale", scale::rows),
        ("wide", scale::wide::rows),
    ]
}
