//! Real suites, two workers, with history: against their own framework and parallel_tests.

use std::{path::Path, process::Command, time::Instant};

use serde_json::Value;

use super::{Bench, figure::Figure, timing::median};
use crate::{
    suite::Suite,
    suite_run::{self, Place},
};

/// Workers.
const SLOTS: u32 = 2;
/// Runs a suite's Ruby for `parallel_tests`, which wants one word.
const PEER: &str = ".peer";

/// A suite, and what `parallel_tests` needs for it; the rest comes from its `gorgon.json`.
struct Peer {
    suite: &'static str,
    /// Put behind the suite's Ruby.
    runs: &'static str,
    command: &'static str,
    /// What ours may take of the plain framework's time, and of that of `parallel_tests`.
    budgets: (f64, f64),
    /// How often each is timed: what takes minutes, once.
    rounds: usize,
}

/// Many tiny files.
///
/// # Errors
/// A suite that is not there, a command that cannot be run, an outcome of ours that is not the truth.
pub fn facter(bench: &Bench) -> Result<Vec<Figure>, String> {
    let peer = Peer {
        suite: "facter",
        runs: "-r webmock/rspec -S rspec",
        command: "parallel_rspec -n 2",
        budgets: (0.8, 0.7),
        rounds: bench.runs,
    };
    rows(bench, &peer)
}

/// One file sleeps for two thirds of the time.
///
/// # Errors
/// As for [`facter`].
pub fn activesupport(bench: &Bench) -> Result<Vec<Figure>, String> {
    let peer = Peer {
        suite: "activesupport",
        runs: "",
        command: "PARALLEL_WORKERS=1 parallel_test -n 2 test",
        budgets: (1.0, 1.0),
        rounds: 1,
    };
    rows(bench, &peer)
}

/// Tests that start processes.
///
/// # Errors
/// As for [`facter`].
pub fn rubygems(bench: &Bench) -> Result<Vec<Figure>, String> {
    let peer = Peer {
        suite: "rubygems",
        runs: "",
        command: r"parallel_test -n 2 --suffix 'test_.*\.rb$' test/rubygems",
        budgets: (1.0, 1.0),
        rounds: 1,
    };
    rows(bench, &peer)
}

/// Two files are half of the work; a workspace for each slot.
///
/// # Errors
/// As for [`facter`].
pub fn collectd(bench: &Bench) -> Result<Vec<Figure>, String> {
    let peer = Peer {
        suite: "collectd",
        runs: "-S rspec",
        command: "parallel_rspec -n 2 spec/classes spec/defines spec/unit",
        budgets: (1.0, 1.0),
        rounds: 1,
    };
    rows(bench, &peer)
}

/// A whole Rails application, with a database for each worker.
///
/// # Errors
/// As for [`facter`].
pub fn redmine(bench: &Bench) -> Result<Vec<Figure>, String> {
    let peer = Peer {
        suite: "redmine",
        runs: "",
        command: "cp db/test.sqlite3 db/test2.sqlite3; \
            RAILS_ENV=test parallel_test -n 2 test/unit test/functional test/integration test/helpers",
        budgets: (1.0, 1.0),
        rounds: 1,
    };
    rows(bench, &peer)
}

/// Once to learn its times, then plain, `parallel_tests` and ours in turn; medians.
fn rows(bench: &Bench, peer: &Peer) -> Result<Vec<Figure>, String> {
    let name = peer.suite;
    let suite = Suite::fetch(name)?;
    // Short: tests of RubyGems skip themselves where links to what they make would be too long.
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let place = directory.path();
    ours(&suite, place)?;

    let plain = suite.plain()?;
    let ruby = suite.ruby()?;
    let parallel = format!(
        "printf '#!/bin/sh\\nexec {ruby} {} \"$@\"\\n' > {PEER}; chmod +x {PEER}; \
         export PARALLEL_TESTS_EXECUTABLE=./{PEER}; {}",
        peer.runs, peer.command
    );
    let (mut to_plain, mut to_parallel) = (Vec::new(), Vec::new());
    let (mut seconds, mut to_bound) = (Vec::new(), Vec::new());
    for _ in 0..peer.rounds {
        let failed = || format!("{name}: its framework failed");
        let plain = theirs(bench, &suite, &plain)?.ok_or_else(failed)?;
        let parallel = theirs(bench, &suite, &parallel)?;
        let took = ours(&suite, place)?;
        to_plain.push(took / plain);
        to_parallel.extend(parallel.map(|parallel| took / parallel));
        seconds.push(took);
        let stream = place.join(format!("{name}.jsonl"));
        to_bound.push(over_bound(
            &std::fs::read_to_string(&stream).unwrap_or_default(),
        ));
    }

    let what = format!(
        "{name}, --local={SLOTS}, with history: {:.1} s",
        median(seconds)
    );
    let (plain_budget, parallel_budget) = peer.budgets;
    let against = "parallel_tests -n 2";
    let parallel = if to_parallel.is_empty() {
        Figure::new(
            format!("{name}, which it does not run"),
            against,
            f64::NAN,
            None,
        )
    } else {
        Figure::new(&*what, against, median(to_parallel), parallel_budget)
    };
    Ok(vec![
        Figure::new(&*what, "plain", median(to_plain), plain_budget),
        parallel,
        Figure::new(what, "best makespan", median(to_bound), None),
    ])
}

/// Runs the suite with ours; returns the seconds.
fn ours(suite: &Suite, place: &Path) -> Result<f64, String> {
    let run = suite_run::run_suite(suite, place, Place::Local(SLOTS))?;
    if !run.is_right() {
        let different: Vec<_> = run.differences.iter().map(ToString::to_string).collect();
        return Err(format!(
            "{}: not the truth: {}\n{}",
            suite.name,
            different.join("; "),
            run.stderr
        ));
    }
    Ok(run.took.as_secs_f64())
}

/// Runs a command in a copy of the suite; returns the seconds, or `None` when it did not run (nearly) all tests.
#[expect(
    clippy::disallowed_methods,
    reason = "a whole command is what is timed"
)]
fn theirs(bench: &Bench, suite: &Suite, command: &str) -> Result<Option<f64>, String> {
    let place = bench.home.fresh(&suite.name);
    suite.copy_to(&place)?;
    let started = Instant::now();
    let output = Command::new("bash")
        .args(["-c", command])
        .current_dir(&place)
        .env("HOME", bench.home.path().join("home"))
        .env("XDG_CACHE_HOME", bench.home.path().join("cache"))
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|error| format!("bash: {error}"))?;
    let took = started.elapsed().as_secs_f64();
    let said = String::from_utf8_lossy(&output.stdout);
    let all: u32 = suite.truth.values().map(|counts| counts[0].total()).sum();
    Ok((f64::from(tests(&said)) > 0.9 * f64::from(all)).then_some(took))
}

/// Adds up the tests that the summaries of RSpec, Minitest and Test::Unit tell of.
fn tests(said: &str) -> u32 {
    let words = |line: &str| -> Option<u32> {
        let (number, rest) = line.trim().split_once(' ')?;
        let summary = ["examples,", "runs,", "tests,"]
            .iter()
            .any(|word| rest.starts_with(word));
        number.parse().ok().filter(|_| summary)
    };
    // parallel_rspec adds up itself at last.
    let mut counts: Vec<u32> = said.lines().filter_map(words).collect();
    if let Some((last, others)) = counts.split_last()
        && *last == others.iter().sum::<u32>()
    {
        counts.pop();
    }
    counts.iter().sum()
}

/// First start to last end, against the least that so many workers need: the time of all items through them, or the
/// longest item.
fn over_bound(stream: &str) -> f64 {
    let events: Vec<Value> = stream
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let of = |name: &'static str, field: &'static str| {
        let named = events.iter().filter(move |event| event["event"] == name);
        named.filter_map(move |event| event[field].as_f64())
    };
    let begun = of("item_started", "at").fold(f64::INFINITY, f64::min);
    let ended = of("item_finished", "at").fold(0.0, f64::max);
    let longest = of("item_finished", "runtime").fold(0.0, f64::max);
    let all: f64 = of("item_finished", "runtime").sum();
    (ended - begun) / longest.max(all / f64::from(SLOTS))
}
