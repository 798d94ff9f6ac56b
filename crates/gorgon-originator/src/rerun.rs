//! Reads how the project's own commands start, for the lines that run a failed test again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use gorgon_process::patient;
use gorgon_proto::job::{Variable, Way};
use gorgon_ruby::{default_ruby, is_rails, test_ways};

use crate::glob;
use crate::report::rerun::Commands;
use crate::settings::Settings;

/// Helpers of a Rails application that usually set its environment.
const RAILS_HELPERS: [&str; 3] = [
    "test/test_helper.rb",
    "spec/rails_helper.rb",
    "spec/spec_helper.rb",
];
const RAILS_ENV: &str = "RAILS_ENV";
const BIN_RAILS: &str = "bin/rails";
/// Returns how they start. `ways` are what Rake said, if it was asked.
#[must_use]
pub fn read(settings: &Settings, ways: &[Way], options: &[String]) -> Commands {
    let root = &settings.root;
    let configured = settings.config.ruby.clone().filter(|it| !it.is_empty());
    let ways = match (&configured, ways) {
        (Some(_), _) => Vec::new(),
        (None, []) => test_ways(root),
        (None, ways) => ways.to_vec(),
    };
    // What Rake has set while it loaded the Rakefile may be a secret. What stands in the Rakefile's text is none.
    let said = test_ways(root);
    let of_rakefile = said.first().map(|way| way.environment.as_slice());
    let environment_of_tests =
        of_tests(root, of_rakefile.unwrap_or_default(), &settings.config.env);
    let rails = is_rails(root);
    let mut environment = of_all(&settings.shown_env);
    if rails && !sets_its_environment(root) && !settings.config.env.contains_key(RAILS_ENV) {
        // In any other one tests change the database that people work with.
        environment.push((RAILS_ENV.to_owned(), Some("test".to_owned())));
    }
    Commands {
        ruby_is_configured: configured.is_some(),
        ruby: configured.unwrap_or_else(|| default_ruby(root, &settings.config.env, true)),
        bin_rails: rails && root.join(BIN_RAILS).is_file(),
        environment,
        environment_of_tests,
        way_of: way_of(root, &ways),
        ways: usual_first(ways),
        options: options.to_vec(),
    }
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some()
}

fn of_all(env: &BTreeMap<String, Option<String>>) -> Vec<(String, Option<String>)> {
    let needed = |(name, value): &(&String, &Option<String>)| value.is_some() || is_set(name);
    let env = env.iter().filter(needed);
    env.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// What the Rakefile sets, but for what the configuration names.
fn of_tests(
    root: &Path,
    variables: &[Variable],
    env: &BTreeMap<String, Option<String>>,
) -> Vec<(String, Option<String>)> {
    let root = root.to_string_lossy();
    let taken = |it: &&Variable| {
        let named = is_kept(&it.name) || env.contains_key(&it.name);
        let needed = match &it.value {
            Some(_) => !it.unless_set || !is_set(&it.name),
            None => is_set(&it.name),
        };
        needed && !named
    };
    let value = |it: &Variable| it.value.as_ref().map(|text| text.replace('\0', &root));
    let taken = variables.iter().filter(taken);
    taken.map(|it| (it.name.clone(), value(it))).collect()
}

/// Variables that keep their value whatever a Rakefile says; `ruby_options.rb` has the same.
fn is_kept(name: &str) -> bool {
    ["RUBY", "GEM_", "BUNDLE", "GORGON_"]
        .iter()
        .any(|start| name.starts_with(start))
        || ["PATH", "TEST_ENV_NUMBER", "PARALLEL_WORKERS"].contains(&name)
}

fn sets_its_environment(root: &Path) -> bool {
    let sets = |name: &str| {
        let text = patient::read(&root.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&text).contains(RAILS_ENV)
    };
    RAILS_HELPERS.iter().any(|name| sets(name))
}

/// The place of the way of files that no other way names.
fn usual(ways: &[Way]) -> usize {
    let usual = ways.iter().position(|way| way.globs.is_empty());
    usual.unwrap_or_default()
}

fn usual_first(mut ways: Vec<Way>) -> Vec<Way> {
    let usual = usual(&ways);
    if usual < ways.len() {
        ways.swap(0, usual);
    }
    ways
}

/// File => the place of the first way that names it, once the usual one stands first.
fn way_of(root: &Path, ways: &[Way]) -> HashMap<String, usize> {
    let mut found = HashMap::new();
    if ways.len() < 2 {
        return found;
    }
    let usual = usual(ways);
    for (at, way) in ways.iter().enumerate() {
        let place = match at {
            0 => usual,
            at if at == usual => 0,
            at => at,
        };
        let out: HashSet<String> = glob::expand(root, &way.excludes)
            .files
            .into_iter()
            .collect();
        for file in glob::expand(root, &way.globs).files {
            if !out.contains(&file) {
                found.entry(file).or_insert(place);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #[test]
    fn ruby_keeps_the_same_variables() {
        let ruby = include_str!("../../gorgon-ruby/ruby/ruby_options.rb");
        let line = r"KEPT = /\A(?:RUBY|GEM_|BUNDLE|GORGON_)|\A(?:PATH|TEST_ENV_NUMBER|PARALLEL_WORKERS)\z/.freeze";
        assert!(ruby.contains(line));
    }
}
