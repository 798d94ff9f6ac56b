//! What the project's own command of tests does and Gorgon does not: lines for the user.

use std::collections::HashSet;

use gorgon_ruby::{Beside, RakeTest, TaskFiles, rspec_beside, rspec_options};

use crate::glob::Tree;
use crate::name_list::first_names;
use crate::report::visible::one_line;

use super::without;

/// Maximum number of test tasks that are compared with each other.
const MOST_TASKS: usize = 50;

/// Says what `rake test` does besides.
pub(super) fn of_tests(tree: &Tree, rake: &RakeTest) -> Vec<String> {
    let tests: Vec<&str> = rake.tasks.iter().map(|it| it.name.as_str()).collect();
    let mut lines: Vec<String> = rake.beside.iter().map(|it| line(it, &tests)).collect();
    lines.extend(several_times(tree, &rake.tasks));
    lines
}

/// Says what `rake spec` does besides; `alone`: there are no other test tasks.
pub(super) fn of_specs(tree: &Tree, alone: bool) -> Vec<String> {
    let beside = if alone {
        rspec_beside(tree.root())
    } else {
        Vec::new()
    };
    let mut lines: Vec<String> = beside.iter().map(|it| line(it, &[])).collect();
    let options = rspec_options(tree.root());
    if !options.is_empty() {
        lines.push(format!(
            "options of the Rakefile's RSpec task have no effect here: {} (give them in .rspec, or behind --)",
            one_line(&options.join(" "))
        ));
    }
    lines
}

/// `tests`: names of test tasks, which may do something more in a block of their own.
fn line(beside: &Beside, tests: &[&str]) -> String {
    let root = beside.command.rsplit(' ').next().unwrap_or_default();
    let tasks = beside.tasks.iter().map(|it| {
        let is_own = !beside.are_tests && (it == root || tests.contains(&it.as_str()));
        format!(
            "{}{}",
            if is_own { "the block of " } else { "" },
            one_line(it)
        )
    });
    let tasks: Vec<String> = tasks.collect();
    let tasks = match tasks.as_slice() {
        [others @ .., last] if !others.is_empty() && tasks.len() <= 3 => {
            format!("{} and {last}", others.join(", "))
        }
        tasks => first_names(tasks, Clone::clone),
    };
    let what = if beside.are_tests {
        "name their files in `files` of gorgon.json"
    } else {
        "run what the tests need in the callback before_originate or after_sync, and the rest beside Gorgon"
    };
    format!(
        "{} also runs {tasks}, which Gorgon does not: {what}",
        beside.command
    )
}

/// Says which files several tasks run, each in its own way.
fn several_times(tree: &Tree, tasks: &[TaskFiles]) -> Option<String> {
    let tasks = &tasks[..tasks.len().min(MOST_TASKS)];
    if tasks.iter().all(|it| it.how == tasks[0].how) {
        return None;
    }
    let files: Vec<HashSet<String>> = tasks
        .iter()
        .map(|task| without(tree, tree.expand(&task.globs), &task.excludes).files)
        .map(|files| files.into_iter().collect())
        .collect();
    let mut twice: Vec<String> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for (at, task) in tasks.iter().enumerate() {
        for (other, more) in tasks.iter().enumerate().skip(at + 1) {
            if task.how == more.how {
                continue;
            }
            let mut both: Vec<&String> = files[at].intersection(&files[other]).collect();
            both.sort();
            if both.is_empty() {
                continue;
            }
            for name in [&task.name, &more.name] {
                if !names.contains(&name.as_str()) {
                    names.push(name);
                }
            }
            let new = both.into_iter().filter(|it| !twice.contains(it));
            let new: Vec<String> = new.cloned().collect();
            twice.extend(new);
        }
    }
    (!twice.is_empty()).then(|| {
        format!(
            "the Rakefile runs {} in several tasks ({}), each in its own way; here each file runs once, in one of these ways: run Gorgon once for each",
            first_names(&twice, |it| one_line(it)),
            first_names(&names, |it| one_line(it)),
        )
    })
}

#[cfg(test)]
mod tests;
