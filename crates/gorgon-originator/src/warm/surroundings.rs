//! What a keeper shares with the runs that it serves: this very program, and what it hands on to those it starts.

use std::fs;
use std::os::unix::fs::MetadataExt;

use gorgon_process::surroundings;

/// Returns it as lines of `name: value`.
pub(crate) fn own() -> String {
    format!(
        "the version of Gorgon: {}\n{}",
        program(),
        surroundings::own()
    )
}

/// Another program of the same version may speak otherwise.
fn program() -> String {
    let stamp = fs::metadata("/proc/self/exe").map(|it| {
        format!(
            "{} {} {}.{}",
            it.ino(),
            it.size(),
            it.mtime(),
            it.mtime_nsec()
        )
    });
    format!(
        "{} {}",
        env!("CARGO_PKG_VERSION"),
        stamp.unwrap_or_default()
    )
}
