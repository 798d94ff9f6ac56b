//! The log: one line an event, with host, job and slot on each.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use env_logger::{Builder, Env, Target};
use log::kv::{Error, Key, Value, VisitSource};
use log::{Level, LevelFilter, Record};

use crate::exit::Hint;
use crate::patient;

/// Set in the environment to choose levels by target, as `env_logger` has it.
const CHOICE: &str = "RUST_LOG";
/// Ours: set to any value for programs that keep silent unless [`CHOICE`] is set. No test sees it.
pub const SILENT: &str = "GORGON_SILENT";

/// What stands on each line of a program's log, and where the lines go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogFields {
    /// Name of the host.
    pub host: Option<String>,
    /// Id of the job.
    pub job: Option<String>,
    /// Number of the slot.
    pub slot: Option<u32>,
    /// The file to append to; stderr when none (`-` is stdout, as in the original).
    pub file: Option<PathBuf>,
    /// What is logged unless RUST_LOG says otherwise.
    pub verbosity: Verbosity,
}

/// What is logged unless RUST_LOG says otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Verbosity {
    /// Warnings and errors: the originator, who has a user before him.
    Warnings,
    /// Each step of job, host and item: listener, manager and worker.
    #[default]
    Steps,
    /// Each event and effect.
    Everything,
}

/// The log cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("open the log file {}", path.display())]
pub struct LogError {
    path: PathBuf,
    source: io::Error,
}

impl Hint for LogError {}

/// Begins logging; later calls in one process change nothing.
///
/// # Errors
/// When the log file cannot be opened.
pub fn init(fields: &LogFields) -> Result<(), LogError> {
    let level = match fields.verbosity {
        Verbosity::Warnings => LevelFilter::Warn,
        Verbosity::Steps => LevelFilter::Info,
        Verbosity::Everything => LevelFilter::Debug,
    };
    // By default only what is ours speaks: the broker's client has warnings of its own, which say
    // again what we say better.
    let ours = match std::env::var_os(SILENT) {
        Some(_) => "off".to_owned(),
        None => format!("gorgon={level}"),
    };
    let mut builder = Builder::from_env(Env::new().filter_or(CHOICE, ours));
    builder.target(target(fields.file.as_deref())?);
    let constant = constant_fields(fields);
    builder.format(move |out, record| {
        if tells_too_much(record.target(), record.level()) {
            return Ok(());
        }
        let line = line(&constant, record);
        // One write a line: several processes append to one file.
        writeln!(out, "{} {line}", out.timestamp_millis())
    });
    // A test may have begun before us.
    let _ = builder.try_init();
    Ok(())
}

/// The broker's client logs its login, password and all, at `debug`; what others than we log there
/// and at `trace` is never shown, whatever RUST_LOG says.
fn tells_too_much(target: &str, level: Level) -> bool {
    level > Level::Info && !target.starts_with("gorgon")
}

fn target(file: Option<&Path>) -> Result<Target, LogError> {
    let Some(path) = file else {
        return Ok(Target::Stderr);
    };
    if path == Path::new("-") {
        return Ok(Target::Stdout);
    }
    // The original's samples log to `log/`, which a fresh clone does not have.
    let directory = path.parent().map_or(Ok(()), fs::create_dir_all);
    let opened = directory.and_then(|()| {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o644);
        patient::open(&options, path)
    });
    match opened {
        Ok(file) => Ok(Target::Pipe(Box::new(file))),
        Err(source) => Err(LogError {
            path: path.to_owned(),
            source,
        }),
    }
}

fn constant_fields(fields: &LogFields) -> String {
    let mut text = String::new();
    let slot = fields.slot.map(|slot| slot.to_string());
    for (key, value) in [
        ("host", &fields.host),
        ("job", &fields.job),
        ("slot", &slot),
    ] {
        if let Some(value) = value {
            push_pair(&mut text, key, value);
        }
    }
    text
}

/// `INFO host=web3 job=5f2c slot=2 gorgon::worker: item started item=17 file=spec/a_spec.rb`
fn line(constant: &str, record: &Record<'_>) -> String {
    let message = record.args().to_string();
    let mut text = format!("{:<5}{constant} {}: ", record.level(), record.target());
    push_visible(&mut text, &message);
    // The visitor below never fails.
    let _ = record.key_values().visit(&mut Pairs(&mut text));
    text
}

struct Pairs<'a>(&'a mut String);

impl<'kvs> VisitSource<'kvs> for Pairs<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        push_pair(self.0, key.as_str(), &value.to_string());
        Ok(())
    }
}

fn push_pair(text: &mut String, key: &str, value: &str) {
    let plain = !value.is_empty()
        && !value.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"' || c == '=');
    // Writing to a String cannot fail.
    let _ = if plain {
        write!(text, " {key}={value}")
    } else {
        write!(text, " {key}={value:?}")
    };
}

/// A message may quote what a child or a peer said: it stays one line and drives no terminal.
fn push_visible(text: &mut String, message: &str) {
    for character in message.trim_end().chars() {
        if character == '\n' {
            text.push_str("\n    ");
        } else if character.is_control() && character != '\t' {
            text.extend(character.escape_default());
        } else {
            text.push(character);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(fields: &LogFields, message: &str, pairs: &[(&str, &str)]) -> String {
        line(
            &constant_fields(fields),
            &Record::builder()
                .level(Level::Info)
                .target("gorgon::worker")
                .args(format_args!("{message}"))
                .key_values(&pairs)
                .build(),
        )
    }

    #[test]
    fn host_job_and_slot_stand_on_each_line() {
        let fields = LogFields {
            host: Some("web3".to_owned()),
            job: Some("5f2c".to_owned()),
            slot: Some(2),
            ..LogFields::default()
        };
        assert_eq!(
            logged(
                &fields,
                "item started",
                &[("item", "17"), ("file", "spec/a b_spec.rb")]
            ),
            "INFO  host=web3 job=5f2c slot=2 gorgon::worker: item started item=17 \
             file=\"spec/a b_spec.rb\""
        );
    }

    #[test]
    fn what_is_quoted_drives_no_terminal_and_forges_no_line() {
        assert_eq!(
            logged(
                &LogFields::default(),
                "said \x1b[31m\nINFO forged",
                &[("cause", "a\nb")]
            ),
            "INFO  gorgon::worker: said \\u{1b}[31m\n    INFO forged cause=\"a\\nb\""
        );
    }

    #[test]
    fn what_others_say_in_detail_is_not_shown() {
        for (target, level, shown) in [
            ("gorgon::worker", Level::Trace, true),
            ("gorgon_broker::live", Level::Debug, true),
            ("client::handshake", Level::Debug, false),
            ("mio::poll", Level::Trace, false),
            ("client", Level::Warn, true),
        ] {
            assert_eq!(!tells_too_much(target, level), shown, "{target} {level}");
        }
    }

    #[test]
    fn a_log_file_that_cannot_be_opened_is_named() {
        let fields = LogFields {
            file: Some("/dev/null/gorgon.log".into()),
            ..LogFields::default()
        };
        assert_eq!(
            init(&fields).unwrap_err().to_string(),
            "open the log file /dev/null/gorgon.log"
        );
    }
}
