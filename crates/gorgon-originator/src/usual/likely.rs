//! Files that define tests, by their text: where nothing else tells which files are tests.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use crate::glob::{self, Found, Tree};

/// Directories of a project that hold no tests of its own.
const OTHERS: [&str; 19] = [
    "app",
    "benchmark",
    "benchmarks",
    "bin",
    "config",
    "coverage",
    "db",
    "doc",
    "examples",
    "exe",
    "ext",
    "lib",
    "log",
    "node_modules",
    "pkg",
    "sample",
    "samples",
    "tmp",
    "vendor",
];
/// Maximum size of a file that is read, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// Finds the Ruby files of the project that define tests, but for these.
pub(super) fn with_tests(tree: &Tree, files: &[String]) -> Found {
    let root = tree.root();
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.') && !OTHERS.contains(&name.as_str()))
        .collect();
    names.sort();
    let mut globs: Vec<String> = names
        .iter()
        .map(|name| format!("{}/**/*.rb", glob::literal(name)))
        .collect();
    globs.push("*test*.rb".to_owned());
    let known: HashSet<&String> = files.iter().collect();
    let mut found = tree.expand(&globs);
    found.files.retain(|file| {
        let path = root.join(file);
        !known.contains(file) && has_tests(&path)
    });
    found
}

/// Tells whether a file defines tests, by its text.
pub(crate) fn has_tests(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|it| it.len() <= MOST_BYTES)
        && fs::read(path).is_ok_and(|text| defines_tests(&String::from_utf8_lossy(&text)))
}

/// Tells whether a text defines tests: a class with test methods, or groups outside of everything.
fn defines_tests(text: &str) -> bool {
    let (mut class, mut test) = (false, false);
    for line in text.lines() {
        let begins = |word: &str| {
            let rest = line.strip_prefix(word);
            rest.is_some_and(|rest| rest.starts_with([' ', '(']))
        };
        if ["describe", "RSpec.describe", "context"]
            .into_iter()
            .any(begins)
        {
            return true;
        }
        let line = line.trim_start();
        if line.starts_with('#') {
            continue;
        }
        class |= line.contains("class ") && line.contains('<');
        test |= line.contains("def test")
            || ["test ", "should ", "it "].iter().any(|it| {
                line.strip_prefix(it)
                    .is_some_and(|rest| rest.starts_with(['"', '\'']))
            });
    }
    class && test
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_with_tests_or_a_group_defines_tests() {
        for (text, expected) in [
            ("class A < Minitest::Test; def test_x; end; end", true),
            (
                "class ATest < ActiveSupport::TestCase\n  test 'x' do\n  end\nend\n",
                true,
            ),
            ("describe Keel do\nend\n", true),
            ("class Case < Minitest::Test\n  def setup = 1\nend\n", false),
            ("module Shared\n  def test_x; end\nend\n", false),
            ("# class A < B\n# def test_x\n", false),
        ] {
            assert_eq!(defines_tests(text), expected, "{text}");
        }
    }
}
