//! The samples of configs/: each key with its default, none forgotten.

use std::path::Path;

use crate::config::*;

fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../configs")
        .join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn assert_every_key_occurs(text: &str, known: &[&str]) {
    for path in known {
        let key = path.rsplit('.').next().unwrap();
        assert!(
            text.contains(&format!("\"{key}\"")),
            "the sample does not show {path}"
        );
    }
}

#[test]
fn the_sample_of_gorgon_json_shows_each_key_with_its_default() {
    let text = text("gorgon.json.sample");
    assert_every_key_occurs(&text, keys::PROJECT);
    let read = project::read(
        Some(Text {
            file: "gorgon.json",
            text: &text,
        }),
        None,
    )
    .unwrap();
    let files = vec![
        "test/**/*_test.rb".to_owned(),
        "spec/**/*_spec.rb".to_owned(),
    ];
    let default = ProjectConfig {
        files: Some(files),
        ..ProjectConfig::default()
    };
    assert_eq!(
        read,
        Read {
            config: default,
            warnings: Vec::new()
        }
    );
}

#[test]
fn the_sample_of_gorgon_secret_json_is_read() {
    let text = text("gorgon_secret.json.sample");
    let read = project::read(
        None,
        Some(Text {
            file: "gorgon_secret.json",
            text: &text,
        }),
    )
    .unwrap();
    assert_eq!(
        read,
        Read {
            config: ProjectConfig::default(),
            warnings: Vec::new()
        }
    );
}

#[test]
fn the_sample_of_gorgon_listener_json_shows_each_key_with_its_default() {
    let text = text("gorgon_listener.json.sample");
    assert_every_key_occurs(&text, keys::LISTENER);
    let read = listener::read(Text {
        file: "gorgon_listener.json",
        text: &text,
    })
    .unwrap();
    assert_eq!(
        read,
        Read {
            config: ListenerConfig::default(),
            warnings: Vec::new()
        }
    );
}
