//! `init`: a gorgon.json to start from, for a Rails application with callbacks.

use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use gorgon_process::exit::{self, Hint};
use gorgon_proto::config::ProjectConfig;
use gorgon_ruby::is_rails;
use serde_json::{Value, json};

use crate::rails_source;

/// Name of the file that is written.
const FILE: &str = "gorgon.json";
/// The callbacks file of a Rails application, below the first of these directories that is there.
const CALLBACKS: &str = "gorgon_callbacks/gorgon_callbacks.rb";
const CALLBACKS_IN: [&str; 3] = ["test", "spec", "lib"];
const CALLBACKS_TEXT: &str = include_str!("init/gorgon_callbacks.rb");
/// What runs write, and the file of the password: nothing for a repository.
const IGNORED: [&str; 4] = [
    "/gorgon-failed-files.json",
    "/gorgon-originator.log",
    "/gorgon-runtime-file.json",
    "/gorgon_secret.json",
];

/// Nothing could be written.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The file cannot be written.
    #[error("write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The terminal is gone.
    #[error("ask on the terminal")]
    Ask(#[source] io::Error),
}

impl Hint for InitError {}

/// What a person answered; empty answers are the defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    /// Host of the broker.
    pub broker: Option<String>,
    /// Host of a file server.
    pub file_server: Option<String>,
}

/// Writes a gorgon.json into the working directory, unless there is one; asks on the terminal, if
/// there is one. `rails`: also if the directory does not look like a Rails application.
///
/// # Errors
/// When it cannot be written.
pub fn run(directory: &Path, rails: bool) -> Result<u8, InitError> {
    let stdin = io::stdin();
    let mut stdout = io::stdout();
    let answers = if !directory.join(FILE).exists() && stdin.is_terminal() && stdout.is_terminal() {
        ask(&mut stdin.lock(), &mut stdout).map_err(InitError::Ask)?
    } else {
        Answers::default()
    };
    let told = write(directory, &answers, rails || is_rails(directory))?;
    // Whoever closed stdout does not want to know.
    let _ = writeln!(stdout, "{told}");
    Ok(exit::OK)
}

fn ask(input: &mut impl BufRead, output: &mut impl Write) -> io::Result<Answers> {
    let mut answer = |question: &str| -> io::Result<Option<String>> {
        write!(output, "{question}: ")?;
        output.flush()?;
        let mut line = String::new();
        input.read_line(&mut line)?;
        Ok(Some(line.trim().to_owned()).filter(|line| !line.is_empty()))
    };
    Ok(Answers {
        broker: answer("Host of RabbitMQ (empty: localhost)")?,
        file_server: answer("Host of a file server (empty: none, hosts pull from this machine)")?,
    })
}

/// Writes the files, unless there is a gorgon.json, and returns what to tell the user.
///
/// # Errors
/// When one cannot be written.
pub fn write(directory: &Path, answers: &Answers, rails: bool) -> Result<String, InitError> {
    let there = || format!("{FILE} is there already, nothing written");
    if directory.join(FILE).exists() {
        return Ok(there());
    }
    let callbacks = rails.then(|| callbacks_path(directory));
    let mut told = vec![format!(
        "wrote {FILE}; the password of the broker belongs into gorgon_secret.json"
    )];
    if let Some(path) = &callbacks {
        told.push(if create(directory, path, CALLBACKS_TEXT)? {
            format!("wrote {path}: what Gorgon does for a Rails application, to change it")
        } else {
            format!("{path} is there already, and is used")
        });
    }
    if ignore(directory)? {
        told.push(
            "wrote .gitignore: the files of Gorgon that are not for the repository".to_owned(),
        );
    }
    // Last: it names what must be there.
    let value = configuration(directory, answers, callbacks.as_deref());
    if !create(directory, FILE, &format!("{value:#}\n"))? {
        return Ok(there());
    }
    told.push(
        "next: gorgon-originator ping, then gorgon-originator (or, without a broker, \
         gorgon-originator --local)"
            .to_owned(),
    );
    Ok(told.join("\n"))
}

/// Writes a file, and returns true, unless it is there.
fn create(directory: &Path, name: &str, text: &str) -> Result<bool, InitError> {
    let path = directory.join(name);
    let written = || {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        // Not even one that appears this very moment is overwritten.
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => file.write_all(text.as_bytes()).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    };
    written().map_err(|source| InitError::Write {
        path: path.clone(),
        source,
    })
}

/// Adds to the .gitignore of a repository what it lacks; returns whether that was anything.
fn ignore(directory: &Path) -> Result<bool, InitError> {
    let path = directory.join(".gitignore");
    let failed = |source| InitError::Write {
        path: path.clone(),
        source,
    };
    let there = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if !directory.join(".git").exists() {
                return Ok(false);
            }
            Vec::new()
        }
        Err(error) => return Err(failed(error)),
    };
    let lines: Vec<&[u8]> = there.split(|byte| *byte == b'\n').collect();
    let lacks = |name: &&str| {
        let known = [name.as_bytes(), &name.as_bytes()[1..]];
        !lines.iter().any(|line| known.contains(&line.trim_ascii()))
    };
    let mut added: String = IGNORED
        .iter()
        .filter(|name| lacks(name))
        .fold(String::new(), |text, name| text + name + "\n");
    if added.is_empty() {
        return Ok(false);
    }
    if there.last().is_some_and(|last| *last != b'\n') {
        added.insert(0, '\n');
    }
    let file = OpenOptions::new().append(true).create(true).open(&path);
    file.and_then(|mut file| file.write_all(added.as_bytes()))
        .map_err(failed)?;
    Ok(true)
}

fn callbacks_path(directory: &Path) -> String {
    let [.., last] = CALLBACKS_IN;
    let found = CALLBACKS_IN
        .into_iter()
        .find(|name| directory.join(name).is_dir());
    format!("{}/{CALLBACKS}", found.unwrap_or(last))
}

/// `callbacks`: the file of a Rails application.
fn configuration(directory: &Path, answers: &Answers, callbacks: Option<&str>) -> Value {
    let mut value = json!({
        "connection": { "host": answers.broker.as_deref().unwrap_or("localhost") },
        "failed_files": "gorgon-failed-files.json",
        "job": {
            "sync": { "exclude": [".git", ".rvmrc"], "rsync_transport": "ssh" },
        },
        "originator_log_file": "gorgon-originator.log",
        "runtime_file": "gorgon-runtime-file.json",
    });
    match callbacks {
        // Which files run, the defaults say: `test/system` is left out.
        Some(path) => {
            let defaults = rails_source::excludes(directory, &ProjectConfig::default());
            let defaults = defaults.into_iter().map(Value::from);
            if let Some(exclude) = value["job"]["sync"]["exclude"].as_array_mut() {
                exclude.extend(defaults);
            }
            value["job"]["callbacks"] = json!({ "callbacks_class_file": path });
            value["coverage"] = json!(true);
            value["env"] = json!({ "RAILS_ENV": "test", "RACK_ENV": "test" });
            if directory.join("log").is_dir() {
                value["originator_log_file"] = json!("log/gorgon-originator.log");
            }
        }
        None => value["files"] = json!(globs(directory)),
    }
    if let Some(host) = &answers.file_server {
        value["file_server"] = json!({ "host": host });
    }
    value
}

fn globs(directory: &Path) -> Vec<&'static str> {
    let has = |name: &str| directory.join(name).is_dir();
    let globs = [("test", "test/**/*_test.rb"), ("spec", "spec/**/*_spec.rb")];
    let any = globs.iter().any(|(name, _)| has(name));
    // Neither is there: both may come.
    let some = globs.into_iter().filter(|(name, _)| !any || has(name));
    some.map(|(_, glob)| glob).collect()
}

#[cfg(test)]
mod tests {
    use gorgon_proto::config::{Text, project};

    use super::*;

    fn written(directory: &Path) -> (String, gorgon_proto::config::ProjectConfig) {
        let text = std::fs::read_to_string(directory.join(FILE)).unwrap();
        let read = project::read(
            Some(Text {
                file: FILE,
                text: &text,
            }),
            None,
        )
        .unwrap();
        assert_eq!(read.warnings, Vec::<String>::new());
        (text, read.config)
    }

    #[test]
    fn the_globs_are_those_of_the_directories_that_are_there() {
        for (directories, expected) in [
            (&["spec"][..], &["spec/**/*_spec.rb"][..]),
            (
                &["test", "spec"],
                &["test/**/*_test.rb", "spec/**/*_spec.rb"],
            ),
            (&[], &["test/**/*_test.rb", "spec/**/*_spec.rb"]),
        ] {
            let root = tempfile::tempdir().unwrap();
            for directory in directories {
                std::fs::create_dir(root.path().join(directory)).unwrap();
            }
            write(root.path(), &Answers::default(), false).unwrap();
            let (_, config) = written(root.path());
            assert_eq!(config.files.unwrap(), expected);
            assert_eq!(config.connection.host, "localhost");
            assert_eq!(config.exclude.unwrap(), [".git", ".rvmrc"]);
            assert_eq!(config.rsync_transport.as_deref(), Some("ssh"));
            assert_eq!(config.runtime_file, Some("gorgon-runtime-file.json".into()));
            assert_eq!(config.failed_files, Some("gorgon-failed-files.json".into()));
            assert_eq!(
                config.originator_log_file,
                Some("gorgon-originator.log".into())
            );
            assert_eq!(config.file_server, None);
        }
    }

    #[test]
    fn a_file_that_could_not_be_written_is_not_named() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("test")).unwrap();
        std::fs::write(root.path().join("test/gorgon_callbacks"), "").unwrap();
        for _ in 0..2 {
            write(root.path(), &Answers::default(), true).unwrap_err();
            assert!(!root.path().join(FILE).exists());
        }
        std::fs::remove_file(root.path().join("test/gorgon_callbacks")).unwrap();
        write(root.path(), &Answers::default(), true).unwrap();
        assert!(root.path().join(FILE).exists());
    }

    #[test]
    fn nothing_is_overwritten() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join(FILE), "mine").unwrap();
        let told = write(root.path(), &Answers::default(), false).unwrap();
        assert_eq!(told, "gorgon.json is there already, nothing written");
        assert_eq!(
            std::fs::read_to_string(root.path().join(FILE)).unwrap(),
            "mine"
        );
    }

    #[test]
    fn a_rails_application_gets_what_it_has_without_a_configuration_and_callbacks() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for directory in ["config", "log", "test/system", "spec"] {
            fs::create_dir_all(at(directory)).unwrap();
        }
        fs::write(
            at("config/application.rb"),
            "class Application < Rails::Application\nend\n",
        )
        .unwrap();
        let rails = is_rails(root.path());
        let defaults = rails_source::excludes(root.path(), &ProjectConfig::default());
        assert!(
            rails && defaults.iter().any(|it| it.contains("log")),
            "{defaults:?}"
        );
        write(root.path(), &Answers::default(), rails).unwrap();
        let (_, config) = written(root.path());
        assert_eq!(config.files, None);
        assert_eq!(config.exclude.unwrap()[2..], defaults);
        assert_eq!(config.env["RAILS_ENV"].as_deref(), Some("test"));
        assert_eq!(config.coverage, Some(true));
        assert!(!config.warm);
        let callbacks = "test/gorgon_callbacks/gorgon_callbacks.rb";
        assert_eq!(fs::read_to_string(at(callbacks)).unwrap(), CALLBACKS_TEXT);
        assert!(fs::read_to_string(at(FILE)).unwrap().contains(callbacks));
        assert!(!at(".gitignore").exists());
    }

    #[test]
    fn a_repository_ignores_what_runs_write_and_a_second_call_changes_nothing() {
        let root = tempfile::tempdir().unwrap();
        let ignored = root.path().join(".gitignore");
        fs::create_dir(root.path().join(".git")).unwrap();
        fs::write(&ignored, "/log\ngorgon_secret.json").unwrap();
        let told = write(root.path(), &Answers::default(), false).unwrap();
        assert!(told.contains("wrote .gitignore"), "{told}");
        let text = fs::read_to_string(&ignored).unwrap();
        assert_eq!(
            text,
            "/log\ngorgon_secret.json\n/gorgon-failed-files.json\n/gorgon-originator.log\n/gorgon-runtime-file.json\n"
        );
        fs::write(&ignored, "").unwrap();
        let told = write(root.path(), &Answers::default(), true).unwrap();
        assert_eq!(told, "gorgon.json is there already, nothing written");
        assert_eq!(fs::read_to_string(&ignored).unwrap(), "");
        let others = fs::read_dir(root.path()).unwrap().count();
        assert_eq!(others, 3);
    }

    #[test]
    fn answers_are_written_and_empty_ones_are_the_defaults() {
        let mut asked = Vec::new();
        let answers = ask(&mut &b"mq.example\n \n"[..], &mut asked).unwrap();
        assert_eq!(
            answers,
            Answers {
                broker: Some("mq.example".into()),
                file_server: None
            }
        );
        assert_eq!(
            ask(&mut &b""[..], &mut Vec::new()).unwrap(),
            Answers::default()
        );
        let root = tempfile::tempdir().unwrap();
        let answers = Answers {
            file_server: Some("files".into()),
            ..answers
        };
        write(root.path(), &answers, false).unwrap();
        let (_, config) = written(root.path());
        assert_eq!(config.connection.host, "mq.example");
        assert_eq!(config.file_server.as_deref(), Some("files"));
    }
}
