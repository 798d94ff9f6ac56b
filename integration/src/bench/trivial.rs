//! One-line spec files: what Gorgon costs where the tests cost nothing.

use std::path::PathBuf;

use super::{Bench, figure::Figure, timing};
use crate::project::Project;
use timing::Timed;

/// Makes a project of so many files with one test each.
pub fn project(bench: &Bench, files: usize) -> PathBuf {
    let project = Project::empty(&bench.home);
    for n in 0..files {
        let text = format!("RSpec.describe('{n}') {{ it('adds') {{ expect(1 + 1).to eq(2) }} }}\n");
        project.write(&format!("spec/t{n:03}_spec.rb"), &text);
    }
    project.path().to_owned()
}

/// 300 files on two workers.
///
/// # Errors
/// When a command fails.
pub fn rows(bench: &Bench) -> Result<Vec<Figure>, String> {
    let place = project(bench, 300);
    let ours = Timed::originator(["--local=2", "-q"]);
    let plain = Timed::new(["rspec", "spec"]);
    let parallel = Timed::new(["parallel_rspec", "-n", "2", "spec"]);
    let commands = [(&ours, &*place), (&plain, &place), (&parallel, &place)];
    let [ours, plain, parallel] = timing::in_turn(bench, bench.runs, commands)?;
    let what = format!("300 trivial files, --local=2: {ours:.2} s");
    Ok(vec![
        Figure::new(what, "rspec", ours / plain, 1.0),
        Figure::new("", "parallel_rspec -n 2", ours / parallel, 0.6),
    ])
}

/// One file: start and end alone.
///
/// # Errors
/// When a command fails.
pub fn one(bench: &Bench) -> Result<Vec<Figure>, String> {
    let place = project(bench, 1);
    let ours = Timed::originator(["--local", "-q"]);
    let plain = Timed::new(["rspec", "spec"]);
    let [ours, plain] = timing::in_turn(bench, bench.runs, [(&ours, &*place), (&plain, &place)])?;
    let what = format!("1 trivial file, --local: {ours:.2} s");
    Ok(vec![Figure::new(what, "rspec", ours / plain, None)])
}
