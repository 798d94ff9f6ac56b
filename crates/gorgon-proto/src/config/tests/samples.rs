//! Users' files, whole and cut.

use std::path::{Path, PathBuf};

use super::{fault, on, project_of, strings};
use crate::config::*;
use crate::job::Callbacks;

fn sample(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/samples")
        .join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn project_sample(name: &str) -> ProjectConfig {
    let text = sample(&format!("{name}/gorgon.json"));
    let read = project::read(
        Some(Text {
            file: "gorgon.json",
            text: &text,
        }),
        None,
    )
    .unwrap();
    assert_eq!(read.warnings, Vec::<String>::new(), "{name}");
    read.config
}

fn listener_sample(name: &str) -> ListenerConfig {
    let text = sample(&format!("{name}/gorgon_listener.json"));
    let read = listener::read(Text {
        file: "gorgon_listener.json",
        text: &text,
    })
    .unwrap();
    assert_eq!(read.warnings, Vec::<String>::new(), "{name}");
    read.config
}

#[test]
fn the_sample_of_2012_is_read() {
    let file = |name: &str| Some(format!("test/gorgon_callbacks/{name}.rb"));
    let expected = ProjectConfig {
        connection: on("localhost"),
        files: Some(strings(&[
            "test/unit/**/*_test.rb",
            "test/functional/**/*_test.rb",
            "test/integration/**/*_test.rb",
        ])),
        exclude: Some(strings(&["tmp", "log", "doc", ".git", ".rvmrc"])),
        callbacks: Callbacks {
            callbacks_class_file: None,
            before_start: file("before_start_callback"),
            after_complete: file("after_complete"),
            before_creating_workers: file("before_creating_workers"),
            after_sync: file("after_sync"),
            after_creating_workers: None,
        },
        originator_log_file: Some("log/gorgon-orginator.log".into()),
        ..ProjectConfig::default()
    };
    assert_eq!(project_sample("init-sample-2012"), expected);
}

#[test]
fn the_broken_sample_of_2015_is_refused_and_the_comma_named() {
    let text = sample("init-sample-2015/gorgon.json");
    assert_eq!(
        fault(&text),
        "gorgon.json:17:6: a comma is missing here, before \"sync\" on line 18"
    );
}

#[test]
fn the_sample_of_2015_is_read_once_its_comma_is_there() {
    let text = sample("init-sample-2015/gorgon.json").replacen("    }\n", "    },\n", 1);
    let secret = sample("init-sample-2015/gorgon_secret.json");
    let read = project::read(
        Some(Text {
            file: "gorgon.json",
            text: &text,
        }),
        Some(Text {
            file: "gorgon_secret.json",
            text: &secret,
        }),
    )
    .unwrap();
    let config = read.config;
    assert_eq!(config.connection.host, "localhost");
    assert_eq!(config.connection.password, Secret("PASSWORD".into()));
    assert_eq!(config.rsync_transport.as_deref(), Some("ssh"));
    assert_eq!(
        config.exclude,
        Some(strings(&[".git", ".rvmrc", "doc", "log", "tmp"]))
    );
    assert_eq!(
        config.failed_files,
        Some("tmp/gorgon-failed-files.json".into())
    );
    assert_eq!(config.runtime_file, Some("gorgon-runtime-file.json".into()));
    assert_eq!(config.file_server.as_deref(), Some("localhost"));
    assert_eq!(read.warnings, Vec::<String>::new());
}

#[test]
fn the_other_samples_are_read() {
    let mixed = project_sample("dummy-mixed");
    assert_eq!(
        mixed.callbacks.callbacks_class_file.as_deref(),
        Some("gorgon_callbacks.rb")
    );
    assert_eq!(mixed.file_server.as_deref(), Some("files.example"));
    let tutorial = project_sample("rails-tutorial");
    assert_eq!(tutorial.files, Some(strings(&["spec/**/*_spec.rb"])));
    let minimal = project_sample("minimal-2012");
    assert_eq!(
        minimal.source_tree_path.as_deref(),
        Some("files.example:src/project")
    );
    assert_eq!(minimal.files, Some(strings(&["test/**"])));
    let rails = project_sample("init-rails-2018");
    assert_eq!(
        rails.callbacks.callbacks_class_file.as_deref(),
        Some("test/gorgon_callbacks/gorgon_callbacks.rb")
    );
}

#[test]
fn the_samples_of_listeners_are_read() {
    let log = |path: &str| Some(PathBuf::from(path));
    for (name, expected) in [
        (
            "init-sample-2015",
            ListenerConfig {
                connection: on("localhost"),
                worker_slots: Some(3),
                log_file: log("/tmp/gorgon-remote.log"),
                ..ListenerConfig::default()
            },
        ),
        (
            "rails-tutorial",
            ListenerConfig {
                connection: on("localhost"),
                worker_slots: Some(3),
                log_file: log("/tmp/gorgon-remote.log"),
                cluster_id: Some("cluster-a".into()),
                ..ListenerConfig::default()
            },
        ),
        (
            "minimal-2012",
            ListenerConfig {
                connection: on("localhost"),
                worker_slots: Some(1),
                log_file: log("listener.log"),
                ..ListenerConfig::default()
            },
        ),
    ] {
        assert_eq!(listener_sample(name), expected, "{name}");
    }
    assert_eq!(listener_sample("dummy-mixed").worker_slots, Some(1));
}

#[test]
fn every_cut_of_a_sample_is_an_error_or_a_configuration() {
    for name in [
        "init-sample-2012",
        "init-sample-2015",
        "dummy-mixed",
        "init-rails-2018",
    ] {
        let text = sample(&format!("{name}/gorgon.json"));
        for at in 0..text.len() {
            for garbled in [
                text[..at].to_owned(),
                format!("{}{}", &text[..at], &text[at + 1..]),
            ] {
                if let Err(error) = project_of(&garbled) {
                    assert_eq!(error.lines().count(), 1, "{error}");
                    assert!(error.starts_with("gorgon.json:"), "{error}");
                }
            }
        }
    }
}
