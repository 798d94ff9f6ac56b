//! `runtime_file` and `failed_files` in the formats of the original.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gorgon_process::patient;

use crate::history::is_span;
use crate::name_list::first_names;
use crate::replace;
use crate::report::visible::one_line;

/// A file of the configuration that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {key} {}", path.display())]
pub struct WriteError {
    key: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// A `runtime_file` that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is there, and cannot be read.
    #[error("cannot read runtime_file {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds something else than an object of files and seconds.
    #[error("runtime_file {} is no object of files and seconds", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

/// What a `runtime_file` holds.
#[derive(Debug, Default, PartialEq)]
pub struct Runtimes {
    /// The files in their order, which is all that counts, with their seconds.
    pub files: Vec<(String, Option<f64>)>,
    /// Says which of its seconds are none.
    pub warning: Option<String>,
}

/// Reads a `runtime_file`. One that is missing or empty holds no file; a value that is no number of
/// seconds is left out.
///
/// # Errors
/// It is there, but cannot be read.
pub fn read_runtime_file(path: &Path) -> Result<Runtimes, ReadError> {
    let text = match patient::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Runtimes::default()),
        Err(source) => {
            return Err(ReadError::Io {
                path: path.to_owned(),
                source,
            });
        }
    };
    if text.trim().is_empty() {
        return Ok(Runtimes::default());
    }
    let entries: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&text).map_err(|source| ReadError::Format {
            path: path.to_owned(),
            source,
        })?;
    let mut wrong = Vec::new();
    let mut files = Vec::new();
    for (file, value) in entries {
        let seconds = value.as_f64().filter(|seconds| is_span(*seconds));
        if seconds.is_none() {
            wrong.push(format!(
                "{} ({})",
                one_line(&file),
                one_line(&value.to_string())
            ));
        }
        files.push((file, seconds));
    }
    let warning = (!wrong.is_empty()).then(|| {
        let path = path.display().to_string();
        format!(
            "runtime_file {}: no number of seconds, and ignored: {}",
            one_line(&path),
            first_names(&wrong, String::clone)
        )
    });
    Ok(Runtimes { files, warning })
}

/// Writes a `runtime_file`, longest first; only to be called when the job ended complete.
///
/// # Errors
/// It cannot be written.
pub fn write_runtime_file(path: &Path, seconds: &[(String, f64)]) -> Result<(), WriteError> {
    let mut sorted: Vec<&(String, f64)> = seconds.iter().collect();
    sorted.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let object: serde_json::Map<String, serde_json::Value> = sorted
        .into_iter()
        .map(|(file, seconds)| (file.clone(), serde_json::json!(seconds)))
        .collect();
    write("runtime_file", path, &object)
}

/// Writes `failed_files`: those that failed or crashed, then those that were still running.
///
/// # Errors
/// It cannot be written.
pub fn write_failed_files(path: &Path, files: &[String]) -> Result<(), WriteError> {
    write("failed_files", path, &files)
}

fn write(key: &'static str, path: &Path, value: &impl serde::Serialize) -> Result<(), WriteError> {
    let write = || {
        let mut text = serde_json::to_vec_pretty(value).map_err(io::Error::other)?;
        text.push(b'\n');
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        replace::whole(path, &text)
    };
    write().map_err(|source| WriteError {
        key,
        path: path.to_owned(),
        source,
    })
}
