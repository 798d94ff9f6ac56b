//! Small inputs, plainly and by us, test by test. `make differential` does the same with RSpec's own scenarios and with
//! whole suites.

use std::{collections::BTreeSet, fs};

use integration::{
    binaries,
    differential::{
        both::{both, features},
        explained::Explained,
        feature::scenarios,
        place::Place,
        plain, scenario,
    },
};

/// The features that a test below runs.
const RUN: [&str; 7] = [
    "endings",
    "minitest",
    "process_state",
    "rspec_choice",
    "rspec_results",
    "rspec_surroundings",
    "test_unit",
];

fn check(name: &str) {
    let directory = tempfile::Builder::new()
        .prefix("gorgon-it-")
        .tempdir()
        .unwrap();
    let place = Place::new(directory.path()).unwrap();
    let binaries = place.with_binaries(&binaries::directory()).unwrap();
    let explained = Explained::read().unwrap();
    let path = plain::data()
        .join("features")
        .join(format!("{name}.feature"));
    let mut wrong = Vec::new();
    for scenario in scenarios(&fs::read_to_string(path).unwrap()) {
        let input = format!("own/{name}.feature:{}", scenario.line);
        let acts = scenario::plan(&scenario).expect("it runs something");
        for difference in both(&place, &binaries, &acts).unwrap().differences {
            if explained.reason(&input, &difference).is_none() {
                wrong.push(format!("{input} {}: {difference}", scenario.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn minitest_gives_what_it_gives_plainly() {
    check("minitest");
}

#[test]
fn what_ends_in_an_unusual_way_ends_as_plainly() {
    check("endings");
}

#[test]
fn test_unit_gives_what_it_gives_plainly() {
    check("test_unit");
}

#[test]
fn rspec_chooses_the_examples_that_it_chooses_plainly() {
    check("rspec_choice");
}

#[test]
fn rspec_gives_the_results_that_it_gives_plainly() {
    check("rspec_results");
}

#[test]
fn a_suite_of_rspec_sees_and_leaves_what_it_does_plainly() {
    check("rspec_surroundings");
}

#[test]
fn what_helpers_and_suite_hooks_change_of_the_process_holds_for_all_files() {
    check("process_state");
}

#[test]
fn no_feature_of_ours_is_forgotten() {
    let there: BTreeSet<_> = features(&plain::data().join("features"))
        .iter()
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(there, BTreeSet::from(RUN.map(str::to_owned)));
}
