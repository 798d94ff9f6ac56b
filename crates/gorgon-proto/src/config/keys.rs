//! The known keys, and warnings that name the nearest one for a key that is not known.

use std::collections::HashMap;

use super::node::{Node, Value};

/// Every key of gorgon.json and gorgon_secret.json, with the keys that lead to it.
pub const PROJECT: &[&str] = &[
    "connection",
    "connection.host",
    "connection.port",
    "connection.user",
    "connection.username",
    "connection.pass",
    "connection.password",
    "connection.vhost",
    "connection.heartbeat",
    "connection.timeout",
    "connection.tls",
    "connection.tls.ca",
    "connection.tls.cert",
    "connection.tls.key",
    "connection.url",
    "files",
    "job",
    "job.callbacks",
    "job.callbacks.callbacks_class_file",
    "job.callbacks.before_start",
    "job.callbacks.after_complete",
    "job.callbacks.before_creating_workers",
    "job.callbacks.after_sync",
    "job.callbacks.after_creating_workers",
    "job.sync",
    "job.sync.exclude",
    "job.sync.rsync_transport",
    "job.sync.source_tree_path",
    "job.sync_exclude",
    "job.source_tree_path",
    "file_server",
    "file_server.host",
    "failed_files",
    "runtime_file",
    "originator_log_file",
    "cluster_id",
    "ruby",
    "isolation",
    "coverage",
    "warm",
    "warm_limit",
    "workspace",
    "file_timeout",
    "callback_timeout",
    "retries",
    "split_over",
    "env",
    "artifacts",
    "advertise",
    "host_name",
    "job_secret",
];

/// Every key of gorgon_listener.json.
pub const LISTENER: &[&str] = &[
    "connection",
    "connection.host",
    "connection.port",
    "connection.user",
    "connection.username",
    "connection.pass",
    "connection.password",
    "connection.vhost",
    "connection.heartbeat",
    "connection.timeout",
    "connection.tls",
    "connection.tls.ca",
    "connection.tls.cert",
    "connection.tls.key",
    "connection.url",
    "worker_slots",
    "log_file",
    "cluster_id",
    "workspace_dir",
    "cache_dir",
    "cache_limit",
    "host_name",
    "job_secret",
    "bin_gem_path",
];

/// Keys that users' files have, and that mean the same as another or nothing: read, or passed over,
/// without a word.
const OLD: &[&str] = &[
    "connection.ssl",
    "connection.ssl.ca",
    "connection.ssl.cert",
    "connection.ssl.key",
    "connection.ssl.cert_chain_file",
    "connection.ssl.private_key_file",
    "connection.tls.cert_chain_file",
    "connection.tls.private_key_file",
    "connection.frame_max",
    "recorded_specs_list_file",
];

/// Keys that are read, but that nothing follows from in this version.
const WITHOUT_EFFECT: &[&str] = &["artifacts"];

/// Objects whose keys are the user's own.
const FREE: &[&str] = &["env"];

/// Adds a warning for each key that is not among `known`, and for each that is given twice.
pub fn check(root: &Node, known: &[&str], warnings: &mut Vec<String>) {
    let Value::Object(entries) = &root.value else {
        return;
    };
    let last: HashMap<&str, usize> = entries
        .iter()
        .enumerate()
        .map(|(index, (key, _))| (key.as_str(), index))
        .collect();
    for (index, (key, node)) in entries.iter().enumerate() {
        if last[key.as_str()] > index {
            warnings.push(format!(
                "{}: the key \"{}\" is given twice; the last one counts",
                node.place, node.path
            ));
        }
        let path = node.path.as_str();
        if !known.contains(&path) && !OLD.contains(&path) {
            let mut warning = format!("{}: the key \"{path}\" is not known", node.place);
            if let Some(nearest) = nearest(path, known) {
                warning += &format!("; the nearest known one is \"{nearest}\"");
            }
            warnings.push(warning);
        } else if WITHOUT_EFFECT.contains(&path) && !is_nothing(&node.value) {
            warnings.push(format!(
                "{}: the key \"{path}\" has no effect in this version",
                node.place
            ));
        } else if !FREE.contains(&path) {
            check(node, known, warnings);
        }
    }
}

/// Returns whether a value asks for nothing: `null`, 0, an empty array.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Number(text) => text.parse() == Ok(0.0),
        Value::Array(elements) => elements.is_empty(),
        Value::Bool(_) | Value::String(_) | Value::Object(_) => false,
    }
}

/// Returns the known key that `path` was most likely meant to be: one of the same object with a
/// like name, else one of that name elsewhere, else one of a like path.
fn nearest<'a>(path: &str, known: &[&'a str]) -> Option<&'a str> {
    let (parent, name) = split(path);
    let like = |candidate: &str| {
        let distance = distance(&name.to_lowercase(), &candidate.to_lowercase());
        (distance <= 1 + name.chars().count().max(candidate.chars().count()) / 4)
            .then_some(distance)
    };
    let best = |same_object: bool| {
        known
            .iter()
            .filter(|key| !same_object || split(key).0 == parent)
            .filter_map(|key| Some((like(split(key).1)?, *key)))
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, key)| key)
    };
    best(true).or_else(|| best(false))
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

/// Returns how many characters have to be inserted, removed, replaced or swapped with their
/// neighbour to make one text of the other.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before_last[j - 2] + 1);
            }
            row.push(least);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Text, json};

    fn warnings(text: &str) -> Vec<String> {
        let root = json::parse(Text {
            file: "gorgon.json",
            text,
        })
        .unwrap();
        let mut warnings = Vec::new();
        check(&root, PROJECT, &mut warnings);
        warnings
    }

    #[test]
    fn a_key_that_is_not_known_names_the_nearest() {
        for (text, expected) in [
            (
                r#"{"flies": []}"#,
                r#"the key "flies" is not known; the nearest known one is "files""#,
            ),
            (
                r#"{"callbacks_class_file": 1}"#,
                r#"the key "callbacks_class_file" is not known; the nearest known one is "job.callbacks.callbacks_class_file""#,
            ),
            (
                r#"{"connection": {"pasword": 1}}"#,
                r#"the key "connection.pasword" is not known; the nearest known one is "connection.password""#,
            ),
            (
                r#"{"job": {"excludes": 1}}"#,
                r#"the key "job.excludes" is not known; the nearest known one is "job.sync.exclude""#,
            ),
            (r#"{"zzzzzzzzz": 1}"#, r#"the key "zzzzzzzzz" is not known"#),
        ] {
            let found = warnings(text);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(
                found[0].ends_with(expected),
                "{} is not {expected}",
                found[0]
            );
        }
    }

    #[test]
    fn old_and_free_keys_are_passed_over() {
        assert_eq!(
            warnings(
                r#"{"env": {"FOO": "1"}, "connection": {"ssl": {"ca": "x"}, "frame_max": 1}}"#
            ),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_key_without_effect_is_named_when_it_asks_for_something() {
        assert_eq!(
            warnings(r#"{"split_over": 2, "artifacts": ["log/*"],}"#),
            [r#"gorgon.json:1:19: the key "artifacts" has no effect in this version"#]
        );
    }

    #[test]
    fn a_key_given_twice_is_named() {
        let found = warnings("{\"isolation\": 1,\n \"isolation\": 2}");
        assert_eq!(
            found,
            [r#"gorgon.json:1:2: the key "isolation" is given twice; the last one counts"#]
        );
    }
}
