//! `runtime_file` and `failed_files` in the formats of the original.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gorgon_process::patient;

use crate::replace;

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

/// Reads the files of a `runtime_file` in their order, which is all that counts, with their
/// seconds. A file that is missing or empty holds none.
///
/// # Errors
/// It is there, but cannot be read.
pub fn read_runtime_file(path: &Path) -> Result<Vec<(String, Option<f64>)>, ReadError> {
    let text = match patient::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => {
            return Err(ReadError::Io {
                path: path.to_owned(),
                source,
            });
        }
    };
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let entries: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&text).map_err(|source| ReadError::Format {
            path: path.to_owned(),
            source,
        })?;
    Ok(entries
        .into_iter()
        .map(|(file, seconds)| (file, seconds.as_f64()))
        .collect())
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
