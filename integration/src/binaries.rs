//! Our binaries, built once for each process of tests and found beside it.

use std::{path::PathBuf, process::Command, sync::OnceLock, time::Duration};

use gorgon_process::command;

/// A build from nothing on a busy machine.
const BUILD_LIMIT: Duration = Duration::from_secs(900);

/// Returns the directory of the binaries, after they were built.
///
/// # Panics
/// When they cannot be built, with what cargo said.
pub fn directory() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build).clone()
}

/// Returns one binary.
///
/// # Panics
/// When it is not there.
pub fn path(name: &str) -> PathBuf {
    let path = directory().join(name);
    assert!(
        path.exists(),
        "{} is missing: run `make build`",
        path.display()
    );
    path
}

fn build() -> PathBuf {
    let program = std::env::current_exe().expect("a running program has a path");
    let directory = program.parent().expect("a program lies in a directory");
    let directory = if directory.ends_with("deps") {
        directory.parent().unwrap_or(directory)
    } else {
        directory
    };
    // Cargo names itself to what it runs. Without it (a binary run by hand), what lies there is taken as it is.
    if let Some(cargo) = std::env::var_os("CARGO") {
        let mut build = Command::new(cargo);
        build
            .args(["build", "--quiet", "--bins"])
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        for package in [
            "gorgon-originator",
            "gorgon-listener",
            "gorgon-worker-manager",
            "gorgon-worker",
        ] {
            build.args(["--package", package]);
        }
        if directory.ends_with("release") {
            build.arg("--release");
        }
        // Tests run in threads that end, and cargo must outlive the one that started it.
        if let Err(error) = command::run(build, BUILD_LIMIT, b"") {
            panic!("build the binaries under test: {error}");
        }
    }
    directory.to_owned()
}
