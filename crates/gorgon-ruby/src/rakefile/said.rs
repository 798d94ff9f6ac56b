//! What the statements of a Rakefile say, taken together.

use super::beside::{Beside, Known, TaskFiles};
use super::chosen::{Prerequisites, chosen};
use super::environment::Environment;
use super::loads::Load;
use super::options::RubyOptions;
use super::task::{MINITEST_FILES, Task};
use super::words::{Statement, statements};
use super::{RakeTest, add, specs, way};

/// The files of Rake's test task if its block names none.
const RAKE_FILES: &str = "test/test*.rb";
/// Directories of files that a task runs by `ruby` to test something. Files elsewhere compile or generate.
const TEST_DIRECTORIES: [&str; 3] = ["test/", "tests/", "spec/"];

/// A file that a task runs by `ruby`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Script {
    /// Of the task.
    pub(super) name: String,
    pub(super) path: String,
    pub(super) options: RubyOptions,
}

/// What the text of a Rakefile says.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) test: Option<RakeTest>,
    pub(super) loads: Vec<Load>,
    /// What the command of RSpec's task does besides.
    pub(super) beside_specs: Vec<Beside>,
}

/// Reads what `rake test` runs by the text of a Rakefile, and what that loads besides.
pub(super) fn of_text(text: &str) -> Read {
    let mut tasks: Vec<Task> = Vec::new();
    let mut of = Prerequisites::default();
    let mut scripts: Vec<Script> = Vec::new();
    let mut hoe = None;
    let mut variables = Vec::new();
    let mut loads = Vec::new();
    for statement in statements(text) {
        match statement {
            Statement::Task { name, minitest } => tasks.push(Task::of(name, minitest)),
            Statement::Needs {
                name,
                needs,
                sometimes,
            } => {
                let name = match tasks.last() {
                    Some(task) if name.is_empty() => task.name.clone(),
                    _ => name,
                };
                if sometimes {
                    of.sometimes
                        .extend(needs.iter().map(|it| (name.clone(), it.clone())));
                }
                of.needs.entry(name).or_default().extend(needs);
            }
            Statement::Unsure(name) => of.unsure.push(name),
            Statement::Computed => of.computed = true,
            Statement::Name(name) => {
                if let Some(task) = tasks.last_mut() {
                    task.name = name;
                }
            }
            Statement::Files {
                files,
                more,
                pattern,
            } => {
                if let Some(task) = tasks.last_mut().or(hoe.as_mut()) {
                    task.add_files(files, more, pattern);
                }
            }
            Statement::Libs { libs, more, first } => {
                if let Some(task) = tasks.last_mut() {
                    task.is_vague |= !libs.whole;
                    let before = if more {
                        std::mem::take(&mut task.libs)
                    } else {
                        Vec::new()
                    };
                    task.libs = if first {
                        [libs.globs, before].concat()
                    } else {
                        [before, libs.globs].concat()
                    };
                }
            }
            Statement::Options {
                options,
                more,
                vague,
            } => {
                if let Some(task) = tasks.last_mut() {
                    if !more {
                        task.options = RubyOptions::default();
                    }
                    task.options.add(options);
                    task.is_vague |= vague;
                }
            }
            Statement::FrameworkOptions { options, more } => {
                if let Some(task) = tasks.last_mut() {
                    if !more {
                        task.framework_options.clear();
                    }
                    task.framework_options.push(' ');
                    task.framework_options.push_str(&options);
                }
            }
            Statement::Script {
                name,
                path,
                options,
            } => {
                if TEST_DIRECTORIES.iter().any(|it| path.starts_with(it)) {
                    scripts.push(Script {
                        name,
                        path,
                        options,
                    });
                } else {
                    of.acts.push(name);
                }
            }
            Statement::Direct => {
                if let Some(task) = tasks.last_mut() {
                    task.is_direct = true;
                }
            }
            Statement::Prelude(prelude) => {
                if let Some(task) = tasks.last_mut().or(hoe.as_mut()) {
                    task.is_vague |= prelude.is_none();
                    task.prelude = prelude;
                }
            }
            Statement::Warning(warning) => {
                if let Some(task) = tasks.last_mut() {
                    task.is_vague |= warning.is_none();
                    task.warning = warning.or(task.warning);
                }
            }
            Statement::Framework(requires) => {
                if let Some(task) = tasks.last_mut() {
                    task.is_vague |= requires.is_none();
                    task.framework = requires.unwrap_or_default();
                }
            }
            Statement::Variable { task, variable } => {
                of.sets.extend(task.clone());
                variables.push((task, variable));
            }
            Statement::Acts(name) => of.acts.push(name),
            Statement::Load(load) => loads.push(load),
            Statement::Hoe => hoe = Some(Task::of("test".to_owned(), true)),
        }
    }
    if tasks.is_empty() {
        tasks.extend(hoe);
    }
    let chosen = chosen(&tasks, &scripts, &of);
    let specs = specs::specs(text);
    let known = Known {
        of: &of,
        tasks: &tasks,
        specs: &specs,
    };
    if chosen.tasks.is_empty() && chosen.scripts.is_empty() && chosen.unsure.is_empty() {
        return Read {
            test: None,
            loads,
            beside_specs: known.of_specs(),
        };
    }
    let mut environment = Environment::default();
    for (task, variable) in variables {
        if task.is_none_or(|task| chosen.runs(&task)) {
            environment.set(variable);
        }
    }
    let mut all = together(&chosen.tasks);
    all.guessed = chosen.tasks.is_empty() && chosen.scripts.is_empty() && of.unsure.is_empty();
    all.scripts.extend(chosen.scripts.into_iter().cloned());
    add(&mut all.unread, &chosen.unsure);
    all.vague |= environment.is_vague;
    all.environment = environment.variables;
    if !chosen.root.is_empty() {
        all.beside = known.of_tests(chosen.root);
    }
    for (task, way) in chosen.tasks.iter().zip(&all.ways) {
        all.tasks.push(TaskFiles {
            name: task.name.clone(),
            globs: way.globs.clone(),
            excludes: way.excludes.clone(),
            how: format!(
                "{:?}{:?}{:?}{:?}{:?}{:?}",
                way.directories,
                way.requires,
                task.options.others,
                task.framework_options,
                task.prelude,
                known.sets_or_acts(&task.name)
            ),
        });
    }
    Read {
        test: Some(all),
        loads,
        beside_specs: Vec::new(),
    }
}

fn together(tasks: &[&Task]) -> RakeTest {
    let mut all = RakeTest::default();
    for task in tasks {
        let mut way = way(&task.libs, &task.options);
        way.program = Some(task.program().to_owned());
        way.warnings = task.warnings();
        way.prelude.clone_from(&task.prelude);
        add(&mut way.requires, &task.framework);
        all.note(&task.options, &task.framework_options);
        all.vague |= task.is_vague;
        match (&task.files, &task.pattern) {
            (None, None) if task.is_minitest => {
                add(&mut way.globs, &MINITEST_FILES.map(str::to_owned));
            }
            (None, None) => add(&mut way.globs, &[RAKE_FILES.to_owned()]),
            _ => {}
        }
        let said = [&task.files, &task.pattern].into_iter().flatten();
        for files in said {
            add(&mut way.globs, &files.globs);
            add(&mut way.excludes, &files.excludes);
            if !task.is_minitest {
                add(&mut all.missing, &files.named);
            }
            if !files.whole || files.globs.is_empty() {
                add(&mut all.unread, std::slice::from_ref(&task.name));
            }
        }
        add(&mut all.globs, &way.globs);
        add(&mut all.excludes, &way.excludes);
        all.ways.push(way);
    }
    all
}
