//! `init`: a gorgon.json to start from.

use std::fs::OpenOptions;
use std::io::{self, BufRead, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use gorgon_process::exit::{self, Hint};
use gorgon_ruby::is_rails;
use serde_json::{Value, json};

use crate::rails_source;

/// Name of the file that is written.
const FILE: &str = "gorgon.json";

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
/// there is one.
///
/// # Errors
/// When it cannot be written.
pub fn run(directory: &Path) -> Result<u8, InitError> {
    let stdin = io::stdin();
    let mut stdout = io::stdout();
    let answers = if !directory.join(FILE).exists() && stdin.is_terminal() && stdout.is_terminal() {
        ask(&mut stdin.lock(), &mut stdout).map_err(InitError::Ask)?
    } else {
        Answers::default()
    };
    let told = write(directory, &answers)?;
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

/// Writes the file, unless there is one, and returns what to tell the user.
///
/// # Errors
/// When it cannot be written.
pub fn write(directory: &Path, answers: &Answers) -> Result<String, InitError> {
    let path = directory.join(FILE);
    let failed = |source| InitError::Write {
        path: path.clone(),
        source,
    };
    let text = serde_json::to_string_pretty(&configuration(directory, answers))
        .map_err(|error| failed(error.into()))?;
    // Not even one that appears this very moment is overwritten.
    match OpenOptions::new().write(true).create_new(true).open(&path) {
        Ok(mut file) => {
            file.write_all(text.as_bytes())
                .and_then(|()| file.write_all(b"\n"))
                .map_err(failed)?;
            Ok(format!(
                "wrote {FILE}; the password of the broker belongs into gorgon_secret.json\n\
                 next: gorgon-originator ping, then gorgon-originator (or, without a broker, \
                 gorgon-originator --local)"
            ))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Ok(format!("{FILE} is there already, nothing written"))
        }
        Err(error) => Err(failed(error)),
    }
}

fn configuration(directory: &Path, answers: &Answers) -> Value {
    let has = |name: &str| directory.join(name).is_dir();
    let globs = [("test", "test/**/*_test.rb"), ("spec", "spec/**/*_spec.rb")];
    let any = globs.iter().any(|(name, _)| has(name));
    // Neither is there: both may come.
    let files: Vec<&str> = globs
        .into_iter()
        .filter(|(name, _)| !any || has(name))
        .map(|(_, glob)| glob)
        .collect();
    let mut exclude = vec![".git".to_owned(), ".rvmrc".to_owned()];
    if is_rails(directory) {
        // With a list of its own the project has no others.
        exclude.extend(rails_source::all_patterns());
    }
    let mut value = json!({
        "connection": { "host": answers.broker.as_deref().unwrap_or("localhost") },
        "failed_files": "gorgon-failed-files.json",
        "files": files,
        "job": {
            "sync": { "exclude": exclude, "rsync_transport": "ssh" },
        },
        "originator_log_file": "gorgon-originator.log",
        "runtime_file": "gorgon-runtime-file.json",
    });
    if let Some(host) = &answers.file_server {
        value["file_server"] = json!({ "host": host });
    }
    value
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

    /// Returns what is excluded besides where the directory is made a Rails application.
    fn rails_list(root: &Path) -> Vec<String> {
        std::fs::create_dir(root.join("config")).unwrap();
        let text = "class Application < Rails::Application\nend\n";
        std::fs::write(root.join("config/application.rb"), text).unwrap();
        std::fs::remove_file(root.join(FILE)).unwrap();
        write(root, &Answers::default()).unwrap();
        let mut list = written(root).1.exclude.unwrap();
        list.split_off(2)
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
            write(root.path(), &Answers::default()).unwrap();
            let (_, config) = written(root.path());
            assert_eq!(config.files.unwrap(), expected);
            assert_eq!(config.connection.host, "localhost");
            assert_eq!(config.exclude.unwrap(), [".git", ".rvmrc"]);
            assert_eq!(rails_list(root.path()), rails_source::all_patterns());
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
    fn nothing_is_overwritten() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join(FILE), "mine").unwrap();
        let told = write(root.path(), &Answers::default()).unwrap();
        assert_eq!(told, "gorgon.json is there already, nothing written");
        assert_eq!(
            std::fs::read_to_string(root.path().join(FILE)).unwrap(),
            "mine"
        );
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
        write(root.path(), &answers).unwrap();
        let (_, config) = written(root.path());
        assert_eq!(config.connection.host, "mq.example");
        assert_eq!(config.file_server.as_deref(), Some("files"));
    }
}
