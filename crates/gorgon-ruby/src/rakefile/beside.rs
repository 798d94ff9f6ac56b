//! What the project's command of tests does besides running tests: Gorgon does not do that.

use std::collections::BTreeSet;

use super::chosen::{Prerequisites, last, reached};
use super::specs::Spec;
use super::task::Task;

/// What a command of Rake runs besides the tests that run here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beside {
    /// The command: `rake test`.
    pub command: String,
    /// Names of tasks.
    pub tasks: Vec<String>,
    /// They hold tests.
    pub are_tests: bool,
}

/// A test task that runs, as far as another one may run the same files in another way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFiles {
    /// Its name.
    pub name: String,
    /// Globs of its files.
    pub globs: Vec<String>,
    /// Globs of files that it leaves out.
    pub excludes: Vec<String>,
    /// How it runs them: what differs from task to task, as text.
    pub how: String,
}

/// What is known of all tasks.
pub(super) struct Known<'a> {
    pub(super) of: &'a Prerequisites,
    pub(super) tasks: &'a [Task],
    pub(super) specs: &'a [Spec],
}

impl Known<'_> {
    /// The tasks besides tests that `rake test` runs, and tests that only `rake` runs.
    pub(super) fn of_tests(&self, root: &str) -> Vec<Beside> {
        let mut all = self.acting(root, false);
        let more = self.more_tests(root);
        all.tasks.retain(|it| !self.is_spec(it));
        all.tasks.extend(self.own_specs(root));
        [Some(all), more]
            .into_iter()
            .flatten()
            .filter(|it| !it.tasks.is_empty())
            .collect()
    }

    /// The same of a project whose Rakefile has tasks of RSpec alone.
    pub(super) fn of_specs(&self) -> Vec<Beside> {
        let Some(spec) = self.specs.iter().find(|it| it.runs_here()) else {
            return Vec::new();
        };
        let mut all = self.acting(&spec.name, true);
        all.tasks.retain(|it| !self.is_spec(it));
        let more = self.more_tests(&spec.name);
        [Some(all), more]
            .into_iter()
            .flatten()
            .filter(|it| !it.tasks.is_empty())
            .collect()
    }

    /// What a test task needs that may change how its tests run.
    pub(super) fn sets_or_acts(&self, name: &str) -> Vec<String> {
        let names = reached(name, self.of).into_keys();
        let changes = |name: &String| {
            let mut all = self.of.acts.iter().chain(&self.of.sets);
            all.any(|it| last(it) == *name)
        };
        names.filter(changes).collect()
    }

    fn is_spec(&self, name: &str) -> bool {
        self.specs.iter().any(|it| last(&it.name) == last(name))
    }

    /// Tasks of RSpec that a command reaches, with other files than RSpec's own.
    fn own_specs(&self, root: &str) -> Vec<String> {
        let reached = reached(root, self.of);
        let others = self.specs.iter().filter(|it| !it.runs_here());
        let others = others.filter(|it| reached.contains_key(&last(&it.name)));
        others.map(|it| it.name.clone()).collect()
    }

    /// Tasks that a command reaches and that do something; `environment`: also if they set a variable alone.
    fn acting(&self, root: &str, environment: bool) -> Beside {
        let has = |names: &[String], name: &str| names.iter().any(|it| last(it) == name);
        let defined: BTreeSet<String> = self.of.needs.keys().map(|it| last(it)).collect();
        let mut tasks = Vec::new();
        for (short, name) in reached(root, self.of) {
            let is_test = self.tasks.iter().any(|it| last(&it.name) == short);
            let acts = has(&self.of.acts, &short) || environment && has(&self.of.sets, &short);
            let unknown = !is_test && !defined.contains(&short) && short != last(root);
            if acts || unknown {
                tasks.push(name);
            }
        }
        Beside {
            command: format!("rake {root}"),
            tasks,
            are_tests: false,
        }
    }

    /// Test tasks that the default task reaches, and this one does not.
    fn more_tests(&self, root: &str) -> Option<Beside> {
        if root == "default" {
            return None;
        }
        let known = reached(root, self.of);
        let all = reached("default", self.of);
        // Else `rake` is no wider command of tests.
        all.contains_key(&last(root)).then_some(())?;
        let names = self.tasks.iter().map(|it| &it.name);
        let others = self.specs.iter().filter(|it| !it.runs_here());
        let mut tasks: Vec<String> = Vec::new();
        for name in names.chain(others.map(|it| &it.name)) {
            let short = last(name);
            if all.contains_key(&short) && !known.contains_key(&short) && !tasks.contains(name) {
                tasks.push(name.clone());
            }
        }
        Some(Beside {
            command: "rake".to_owned(),
            tasks,
            are_tests: true,
        })
    }
}
