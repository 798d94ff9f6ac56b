//! Which tasks `rake test` reaches, as far as the text tells.

use std::collections::{BTreeMap, BTreeSet};

use super::said::Script;
use super::task::Task;

/// What tasks need, and what cannot be told of them.
#[derive(Debug, Default)]
pub(super) struct Prerequisites {
    pub(super) needs: BTreeMap<String, Vec<String>>,
    /// Tasks that are needed only on a condition.
    pub(super) sometimes: Vec<(String, String)>,
    pub(super) unsure: Vec<String>,
    /// Tasks have names that are computed: one that is needed and nowhere defined may be one of them.
    pub(super) computed: bool,
    /// Tasks whose blocks do something that is no test, and tasks whose blocks set a variable of the environment.
    pub(super) acts: Vec<String>,
    pub(super) sets: Vec<String>,
}

/// What `rake test` reaches.
#[derive(Debug)]
pub(super) struct Chosen<'a> {
    pub(super) tasks: Vec<&'a Task>,
    pub(super) scripts: Vec<&'a Script>,
    /// Tasks whose tests the text does not tell.
    pub(super) unsure: Vec<String>,
    /// The task that leads to them.
    pub(super) root: &'static str,
    /// Tasks of all kinds, without their namespaces.
    reached: BTreeSet<String>,
}

impl Chosen<'_> {
    /// Tells whether this task runs.
    pub(super) fn runs(&self, task: &str) -> bool {
        self.reached.contains(&last(task))
    }
}

/// The tasks that `rake test` runs; where none of that name leads to one, those of `rake`; else all
/// test tasks, and no script.
pub(super) fn chosen<'a>(
    tasks: &'a [Task],
    scripts: &'a [Script],
    of: &Prerequisites,
) -> Chosen<'a> {
    for root in ["test", "default"] {
        let reached = reached(root, of);
        // Several tasks may end in one name, in different namespaces: all of them are meant.
        let is_reached = |name: &str| reached.contains_key(&last(name));
        let found: Vec<&Task> = tasks.iter().filter(|it| is_reached(&it.name)).collect();
        let run: Vec<&Script> = scripts.iter().filter(|it| is_reached(&it.name)).collect();
        let mut unsure = of.unsure.clone();
        for (name, need) in &of.sometimes {
            let is_it = |of: &String| last(of) == last(need);
            let tests = tasks.iter().any(|it| is_it(&it.name));
            if tests || scripts.iter().any(|it| is_it(&it.name)) {
                unsure.push(name.clone());
            }
        }
        unsure.retain(|name| is_reached(name));
        if of.computed {
            let known: BTreeSet<String> = tasks
                .iter()
                .map(|it| last(&it.name))
                .chain(of.needs.keys().map(|it| last(it)))
                .collect();
            let open = reached.iter().filter(|it| !known.contains(it.0));
            unsure.extend(open.map(|(_, name)| name.clone()));
        }
        if !found.is_empty() || !run.is_empty() || !unsure.is_empty() {
            return Chosen {
                tasks: found,
                scripts: run,
                unsure,
                root,
                reached: reached.into_keys().collect(),
            };
        }
    }
    Chosen {
        tasks: tasks.iter().collect(),
        scripts: Vec::new(),
        unsure: Vec::new(),
        root: "",
        reached: BTreeSet::new(),
    }
}

/// The tasks that a task needs, with itself: their names without namespaces, and with them.
pub(super) fn reached(root: &str, of: &Prerequisites) -> BTreeMap<String, String> {
    let mut reached = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(name) = waiting.pop() {
        if reached.insert(last(&name), name.clone()).is_none() {
            let needs = of.needs.iter().filter(|it| last(it.0) == last(&name));
            waiting.extend(needs.flat_map(|(_, needs)| needs.iter().cloned()));
        }
    }
    reached
}

/// The name of a task without its namespaces.
pub(super) fn last(name: &str) -> String {
    name.rsplit(':').next().unwrap_or(name).to_owned()
}
