//! Long runs, for what a single test cannot show: growth, many deaths in one job, many histories.

pub mod dice;
pub mod figures;
pub mod jobs;
pub mod seeds;
pub mod storm;
pub mod victim;

use std::fmt::Write as _;

use crate::{home::Home, project::Project};

/// Makes a project of spec files, each of which takes so many milliseconds.
///
/// # Panics
/// When it cannot be written.
pub fn project(home: &Home, files: u32, ms: u32) -> Project {
    let project = Project::of(
        home,
        &[("gorgon.json", r#"{ "files": ["spec/*_spec.rb"] }"#)],
    );
    for n in 0..files {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "RSpec.describe('{n}') {{ it('takes its time') {{ sleep {ms} / 1000r; expect(1 + 1).to eq 2 }} }}"
        );
        project.write(&name(n), &text);
    }
    project
}

/// Returns the path of a file of such a project.
pub fn name(n: u32) -> String {
    format!("spec/s{n:04}_spec.rb")
}
