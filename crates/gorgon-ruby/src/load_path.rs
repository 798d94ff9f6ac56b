//! How `rake test` starts Ruby for a project's tests: its load path, and what is loaded first. For Minitest and
//! Test::Unit; RSpec puts `lib` and its own default path on the load path by itself.

use std::path::Path;

use gorgon_proto::job::Way;

use crate::rakefile::rake_test;

/// Directories that hold tests by their name, the likeliest first.
const TEST_DIRECTORIES: [&str; 3] = ["test", "tests", "spec"];

/// Returns what the Rakefile's test tasks say, directories in the order in which `-I` would name them, from the
/// project; without a task, `lib` and the directory of the tests.
#[must_use]
pub fn of_tests(project: &Path) -> Vec<Way> {
    let ways = rake_test(project).map(|rake| rake.ways);
    if let Some(ways) = ways.filter(|it| !it.is_empty()) {
        return ways;
    }
    let there = |name: &&str| project.join(name).is_dir();
    let tests = TEST_DIRECTORIES.iter().find(|name| there(name));
    let lib = Some(&"lib").filter(|name| there(name));
    let directories = lib.into_iter().chain(tests).map(|&name| name.to_owned());
    vec![Way {
        directories: directories.collect(),
        ..Way::default()
    }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_rakefile_it_is_lib_and_the_directory_of_the_tests() {
        for (made, expected) in [
            (&["lib", "test", "spec"][..], &["lib", "test"][..]),
            (&["tests"], &["tests"]),
            (&["lib", "spec"], &["lib", "spec"]),
            (&["src"], &[]),
        ] {
            let project = tempfile::tempdir().unwrap();
            for directory in made {
                std::fs::create_dir(project.path().join(directory)).unwrap();
            }
            let [only] = &of_tests(project.path())[..] else {
                panic!("one way")
            };
            assert_eq!(only.directories, expected, "{made:?}");
        }
    }

    #[test]
    fn what_the_rakefile_says_is_taken_as_it_is() {
        let project = tempfile::tempdir().unwrap();
        std::fs::create_dir(project.path().join("test")).unwrap();
        let rakefile = "Rake::TestTask.new { |t| t.libs << 'ext' }\n";
        std::fs::write(project.path().join("Rakefile"), rakefile).unwrap();
        assert_eq!(of_tests(project.path())[0].directories, ["lib", "ext"]);
    }
}
