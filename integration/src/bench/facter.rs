//! A real suite of many small files.

use super::{Bench, figure::Figure, timing};
use crate::suite::Suite;
use timing::Timed;

/// It takes seconds, and is measured that often at most.
const MOST_RUNS: usize = 3;

/// facter on two workers.
///
/// # Errors
/// When the suite is not there, or a command fails.
pub fn rows(bench: &Bench) -> Result<Vec<Figure>, String> {
    let place = bench.home.fresh("facter");
    Suite::fetch("facter")?.copy_to(&place)?;
    let ours = Timed::originator(["--local=2", "-q"]);
    let plain = Timed::new("ruby -I.stub -Ilib -Ispec -r webmock/rspec -S rspec".split(' '));
    let runs = bench.runs.min(MOST_RUNS);
    let [ours, plain] = timing::in_turn(bench, runs, [(&ours, &*place), (&plain, &place)])?;
    let what = format!("facter, 891 files, --local=2: {ours:.2} s");
    Ok(vec![Figure::new(what, "rspec", ours / plain, 0.8)])
}
