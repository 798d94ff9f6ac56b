//! A project of the user: a fixture's copy, or files written by the test.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use gorgon_process::command;

use crate::home::Home;

/// Stands for the project's own directory in a fixture's `gorgon.json`.
const HERE: &str = "@HERE@";

/// A project's directory.
#[derive(Debug)]
pub struct Project {
    path: PathBuf,
}

/// Returns the directory of the fixtures.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

impl Project {
    /// Makes an empty project.
    ///
    /// # Panics
    /// When its directory cannot be made.
    pub fn empty(home: &Home) -> Self {
        let path = home.fresh("project");
        fs::create_dir(&path).expect("a fresh directory");
        Self { path }
    }

    /// Takes a directory that is there.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Makes a project of files: path, text.
    ///
    /// # Panics
    /// When they cannot be written.
    pub fn of(home: &Home, files: &[(&str, &str)]) -> Self {
        let project = Self::empty(home);
        for (path, text) in files {
            project.write(path, text);
        }
        project
    }

    /// Copies a fixture.
    ///
    /// # Panics
    /// When there is none of this name.
    pub fn fixture(home: &Home, name: &str) -> Self {
        let path = home.fresh(name);
        let mut copy = Command::new("cp");
        copy.args(["-a", "-T", "--"])
            .arg(fixtures().join(name))
            .arg(&path);
        if let Err(error) = command::run(copy, Duration::from_secs(30), b"") {
            panic!("copy the fixture {name}: {error}");
        }
        let project = Self { path };
        // A fixture whose files write down what happens does so in the user's own directory.
        let config = project.read("gorgon.json");
        if config.contains(HERE) {
            let here = project.path.display().to_string();
            project.write("gorgon.json", &config.replace(HERE, &here));
        }
        project
    }

    /// Returns where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file of it.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path.join(path);
        fs::create_dir_all(path.parent().expect("a file lies in a directory"))
            .expect("directories of the project");
        fs::write(&path, text).expect("a file of the project");
    }

    /// Reads a file of it; nothing when it is not there.
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path.join(path)).unwrap_or_default()
    }
}
