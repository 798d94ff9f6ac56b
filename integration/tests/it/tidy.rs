//! Rules of the house that a program can check.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use integration::project::fixtures;

/// Lines of a file of source; what is longer has two subjects.
const FILE_MAX: usize = 450;
/// Lines of a file of tests, which may be a long list of cases.
const TESTS_MAX: usize = 900;
/// Lines of a `main.rs`: parse, wire, map the error to a code.
const MAIN_MAX: usize = 60;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("integration lies in the workspace")
        .to_owned()
}

/// All files of the workspace that we wrote, as path from the root and text.
fn files() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut left = vec![root()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory)
            .expect("a directory of the workspace")
            .flatten()
        {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type().expect("an entry that is there");
            if kind.is_dir() && name != "target" && name != ".git" {
                left.push(path);
            } else if kind.is_file()
                && name != ".git"
                && let Ok(text) = fs::read_to_string(&path)
            {
                let path = path
                    .strip_prefix(root())
                    .expect("below the root")
                    .to_string_lossy()
                    .into_owned();
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}

fn sources() -> impl Iterator<Item = (String, String)> {
    files()
        .into_iter()
        .filter(|(path, _)| path.ends_with(".rs"))
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs") || path.ends_with("_test.rb")
}

/// The files that a `#[cfg(test)] mod NAME;` makes part of the tests alone.
fn test_modules() -> BTreeSet<String> {
    let named = |(path, text): (String, String)| {
        let path = Path::new(&path);
        let directory = match path.file_name().and_then(|name| name.to_str()) {
            Some("mod.rs" | "lib.rs" | "main.rs") => path.parent().unwrap_or(path).to_owned(),
            _ => path.with_extension(""),
        };
        text.split("#[cfg(test)]\nmod ")
            .skip(1)
            .filter_map(|rest| Some(rest.split_once(';')?.0.to_owned()))
            .map(|name| {
                directory
                    .join(name)
                    .with_extension("rs")
                    .to_string_lossy()
                    .into_owned()
            })
            .collect::<Vec<_>>()
    };
    sources().flat_map(named).collect()
}

/// Fails with all that was found, as `path:line: what`.
fn nothing(rule: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

/// Lines of a text that hold one of these words, as `path:line: word`.
fn holding(path: &str, text: &str, words: &[&str]) -> Vec<String> {
    let hits = |(number, line): (usize, &str)| {
        words
            .iter()
            .filter(|word| line.contains(**word))
            .map(|word| format!("{path}:{}: {word}", number + 1))
            .collect()
    };
    text.lines()
        .enumerate()
        .flat_map::<Vec<_>, _>(hits)
        .collect()
}

#[test]
fn a_file_has_one_subject_and_so_an_end() {
    let long = |(path, text): (String, String)| {
        let max = match &path {
            path if path.ends_with("src/main.rs") => MAIN_MAX,
            path if is_test(path) => TESTS_MAX,
            _ => FILE_MAX,
        };
        let lines = text.lines().count();
        (lines > max).then(|| format!("{path}:{lines}: more than {max} lines"))
    };
    let ours = files()
        .into_iter()
        .filter(|(path, _)| path.ends_with(".rs") || path.ends_with(".rb"));
    nothing(
        "too long",
        ours.filter(|(path, _)| !path.contains("/fixtures/"))
            .filter_map(long)
            .collect(),
    );
}

#[test]
fn a_core_has_no_world_and_no_clock() {
    const CORES: [&str; 17] = [
        "gorgon-recorder/src/places",
        "gorgon-recorder/src/proof",
        "gorgon-recorder/src/stamp",
        "gorgon-originator/src/ledger",
        "gorgon-originator/src/plan",
        "gorgon-originator/src/split",
        "gorgon-listener/src/host",
        "gorgon-listener/src/slots",
        "gorgon-listener/src/host_job",
        "gorgon-worker-manager/src/supervise",
        "gorgon-worker/src/work",
        "gorgon-process/src/stop",
        "gorgon-broker/src/backoff",
        "gorgon-broker/src/window",
        "gorgon-local-broker/src/core",
        "gorgon-local-broker/src/connection",
        "gorgon-sync/src/args",
    ];
    const WORLD: [&str; 9] = [
        "std::fs",
        "std::net",
        "std::process",
        "std::thread",
        "Instant::now",
        "SystemTime::now",
        "amiquip",
        "crossbeam",
        "std::env",
    ];
    let is_core = |path: &str| {
        CORES.iter().any(|core| {
            let rest = path
                .strip_prefix("crates/")
                .and_then(|path| path.strip_prefix(core));
            rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        })
    };
    let tests = test_modules();
    let found = sources()
        .filter(|(path, _)| is_core(path) && !is_test(path) && !tests.contains(path))
        .flat_map(|(path, text)| {
            let code = text
                .split("#[cfg(test)]\nmod tests {")
                .next()
                .unwrap_or_default()
                .to_owned();
            holding(&path, &code, &WORLD)
        })
        .collect();
    nothing("a core that looks at the world", found);
}

#[test]
fn each_foreign_thing_is_known_to_one_crate() {
    for (thing, crates) in [
        (
            "amiquip::",
            &["gorgon-broker", "gorgon-local-broker/tests"][..],
        ),
        ("native_tls::", &["gorgon-broker"]),
        ("amq_protocol::", &["gorgon-local-broker"]),
        ("mio1::", &["gorgon-local-broker"]),
        ("unsafe {", &["gorgon-process", "gorgon-recorder/preload"]),
    ] {
        let found = sources()
            .filter(|(path, _)| path.starts_with("crates/"))
            .filter(|(path, _)| {
                !crates
                    .iter()
                    .any(|known| path.starts_with(&format!("crates/{known}/")))
            })
            .flat_map(|(path, text)| holding(&path, &text, &[thing]))
            .collect();
        nothing("known to another crate than it should be", found);
    }
}

#[test]
fn libraries_import_two_of_ours_and_programs_never_each_other() {
    const BASE: [&str; 2] = ["gorgon-proto", "gorgon-process"];
    const LIBRARIES: [&str; 6] = [
        "gorgon-recorder",
        "gorgon-broker",
        "gorgon-local-broker",
        "gorgon-sync",
        "gorgon-ruby",
        "gorgon-process",
    ];
    let mut found = Vec::new();
    for (path, text) in files() {
        let Some(name) = path
            .strip_prefix("crates/")
            .and_then(|path| path.strip_suffix("/Cargo.toml"))
        else {
            continue;
        };
        let needs = text.split("[dev-dependencies]").next().unwrap_or_default();
        let needs = needs.split("[dependencies]").nth(1).unwrap_or_default();
        let ours = needs.lines().filter(|line| line.starts_with("gorgon-"));
        let allowed = |other: &str| match name {
            "gorgon-proto" | "gorgon-process" | "gorgon-local-broker" => false,
            name if LIBRARIES.contains(&name) => BASE.contains(&other),
            "gorgon-originator" => BASE.contains(&other) || LIBRARIES.contains(&other),
            _ => {
                other != "gorgon-local-broker"
                    && (BASE.contains(&other) || LIBRARIES.contains(&other))
            }
        };
        for line in ours {
            let other = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if !allowed(other) {
                found.push(format!("{path}: {other}"));
            }
        }
    }
    nothing("an import against the order of the crates", found);
}

#[test]
fn names_say_what_a_file_is_about() {
    const EMPTY: [&str; 8] = [
        "util", "utils", "helper", "helpers", "common", "misc", "handler", "info",
    ];
    let stem = |path: &str| {
        Path::new(path)
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
    };
    let found =
        sources().filter(|(path, _)| EMPTY.contains(&stem(path).unwrap_or_default().as_str()));
    nothing(
        "a name that says nothing",
        found.map(|(path, _)| path).collect(),
    );
}

#[test]
fn nothing_names_the_place_where_it_was_written() {
    // Put together here, so that this file does not hold them itself.
    let places =
        ["work/shared", "work/main", "tmp/gorgon/", "farm/in"].map(|place| format!("/{place}"));
    let places: Vec<_> = places.iter().map(String::as_str).collect();
    let found = files()
        .into_iter()
        .flat_map(|(path, text)| holding(&path, &text, &places))
        .collect();
    nothing("a path of one machine", found);
}

#[test]
fn nobody_sleeps_and_no_test_is_switched_off() {
    let words = ["thread::sleep", "#[ignore", "todo!()", "dbg!("].map(|word| word.to_owned());
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let found = sources()
        .filter(|(path, _)| !path.ends_with("it/tidy.rs"))
        .flat_map(|(path, text)| holding(&path, &text, &words))
        .collect();
    nothing("a sleep, a test switched off, or work left", found);
}

#[test]
fn no_test_file_and_no_fixture_is_forgotten() {
    let tests = root().join("integration/tests/it");
    let main = fs::read_to_string(tests.join("main.rs")).expect("the tests");
    let everything: String = sources()
        .filter(|(path, _)| path.starts_with("integration/"))
        .map(|(_, text)| text)
        .collect();
    let mut found = Vec::new();
    for entry in fs::read_dir(&tests).expect("the tests").flatten() {
        let stem = entry
            .path()
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default();
        if stem != "main" && !main.contains(&format!("mod {stem};")) {
            found.push(format!("{}: not in main.rs", entry.path().display()));
        }
    }
    for entry in fs::read_dir(fixtures()).expect("the fixtures").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !entry.path().join("expected.json").exists()
            && !everything.contains(&format!("{name:?}"))
        {
            found.push(format!(
                "{}: no expected.json, and no test names it",
                entry.path().display()
            ));
        }
    }
    nothing("forgotten", found);
}

/// Files are named there without what is the same for all: `sync/inside.rs`, `report/kept.rs`; tests by their first words.
#[test]
fn the_architecture_names_files_and_tests_that_are_there() {
    let short = |path: &str| {
        format!("/{path}")
            .replace("/crates/gorgon-", "/")
            .replace("/src/", "/")
    };
    let files = files();
    let paths: Vec<_> = files.iter().map(|(path, _)| short(path)).collect();
    let is_test = |words: &str| {
        let begins = format!("fn {words}");
        files
            .iter()
            .any(|(path, text)| path.ends_with(".rs") && text.contains(&begins))
    };
    let (_, text) = files
        .iter()
        .find(|(path, _)| path == "ARCHITECTURE.md")
        .expect("it lies at the root");
    let mut found = Vec::new();
    for name in text
        .lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2))
    {
        let is_file = name.ends_with(".rs") || name.ends_with(".rb");
        if is_file && !paths.iter().any(|path| path.ends_with(&short(name))) {
            found.push(format!("ARCHITECTURE.md: no file {name}"));
        }
        if let Some(words) = name.strip_suffix("_…")
            && !is_test(words)
        {
            found.push(format!("ARCHITECTURE.md: no test {name}"));
        }
    }
    nothing("not there", found);
}
