//! The suites of the battery: fixtures of this repository, and rows of `differential/suites.tsv`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    plain::{self, Framework},
    suites::Suite,
    words::words,
};
use crate::project;

fn strings(value: &Value) -> Vec<String> {
    let all = value.as_array().into_iter().flatten();
    all.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn ruby_of(value: &Value) -> Vec<String> {
    match value {
        Value::String(line) => words(line),
        Value::Array(_) => strings(value),
        _ => vec!["ruby".to_owned()],
    }
}

/// Returns every fixture that says which files it has.
///
/// # Errors
/// A fixture that cannot be read.
pub fn fixtures() -> io::Result<Vec<Suite>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(project::fixtures())?.flatten() {
        let source = entry.path();
        let Ok(expected) = fs::read_to_string(source.join("expected.json")) else {
            continue;
        };
        let expected: Value = serde_json::from_str(&expected).map_err(io::Error::other)?;
        let text = fs::read_to_string(source.join("gorgon.json")).unwrap_or_default();
        // Comments are ours to read; a fixture about them is not compared.
        let Ok(config) = serde_json::from_str::<Value>(&text) else {
            continue;
        };
        let files = expected["files"].as_object();
        let globs = files
            .map(|it| it.keys().cloned().collect())
            .unwrap_or_default();
        let arguments = strings(&expected["arguments"]);
        let at = arguments.iter().position(|it| it == "--");
        let (own, options) = arguments.split_at(at.unwrap_or(arguments.len()));
        found.push(Suite {
            name: entry.file_name().to_string_lossy().into_owned(),
            source,
            directory: String::new(),
            framework: None,
            ruby: ruby_of(&config["ruby"]),
            globs,
            options: options.iter().skip(1).cloned().collect(),
            arguments: own.to_vec(),
            environment: Vec::new(),
            prepare: None,
            config: None,
        });
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

/// Returns the rows of the table; sources are fetched when a suite is made ready.
///
/// # Errors
/// A table that cannot be read.
pub fn suites() -> io::Result<Vec<Suite>> {
    let text = fs::read_to_string(plain::data().join("suites.tsv"))?;
    let rows = text.lines();
    rows.filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(row)
        .collect()
}

fn row(line: &str) -> io::Result<Suite> {
    let columns: Vec<&str> = line.split('\t').collect();
    let [
        name,
        framework,
        directory,
        ruby,
        globs,
        options,
        environment,
        prepare,
        config,
    ] = columns[..]
    else {
        return Err(io::Error::other(format!(
            "suites.tsv: not nine columns: {line}"
        )));
    };
    let given = |text: &str| (text != "-").then(|| text.to_owned());
    let environment = given(environment).unwrap_or_default();
    let environment = environment
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let config = given(config).unwrap_or("{}".to_owned());
    Ok(Suite {
        name: name.to_owned(),
        source: sources().join(name.split('+').next().unwrap_or(name)),
        directory: given(directory).unwrap_or_default(),
        framework: Framework::named(framework),
        ruby: words(ruby),
        globs: words(globs),
        options: given(options).map(|it| words(&it)).unwrap_or_default(),
        arguments: Vec::new(),
        environment,
        prepare: given(prepare),
        config: Some(serde_json::from_str(&config).map_err(io::Error::other)?),
    })
}

/// Returns where sources lie.
#[must_use]
pub fn sources() -> PathBuf {
    std::env::var_os("GORGON_SOURCES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/differential/sources"),
        PathBuf::from,
    )
}
