//! What `make bench` and `scripts/bench` measure. A subject is a function that returns its rows; [`all`] and [`long`]
//! name them, and so does the usage of `scripts/bench`.
//!
//! Timings live here and in no test: a shared machine is no judge of right and wrong.

pub mod figure;
pub mod overhead;
pub mod rabbit;
pub mod scale;
pub mod sharing;
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
        ("sharing", sharing::rows),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usage_of_the_script_names_each_subject() {
        let script = include_str!("../../scripts/bench");
        // `#   NAME NAME    what they are`
        let lines = script.lines().filter_map(|line| line.strip_prefix("#   "));
        let named = |line: &'static str| line.split("  ").next().unwrap_or_default();
        let words: Vec<_> = lines.flat_map(|line| named(line).split(' ')).collect();
        for (name, _) in all().into_iter().chain(long()) {
            assert!(words.contains(&name), "{name}");
        }
    }
}
