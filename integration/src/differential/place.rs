//! A directory in which an input is run several ways, each time afresh and at the same path.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, File},
    io,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use gorgon_process::{
    child::{self, End, Options},
    command,
};

use super::plain;

/// What of a written file is compared.
const TEXT_BYTES: usize = 64 * 1024;

/// How long giving a large suite to another user may take.
const GIVE_LIMIT: Duration = Duration::from_secs(60);

/// A place: `project` is the input's copy, the rest is ours.
#[derive(Debug)]
pub struct Place {
    root: PathBuf,
    ruby_environment: Vec<(String, String)>,
    user: Option<u32>,
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut copy = Command::new("cp");
    copy.args(["-a", "-T", "--"]).arg(from).arg(to);
    command::run(copy, GIVE_LIMIT, b"").map_err(io::Error::other)?;
    Ok(())
}

/// A project's files at one moment, by path.
#[derive(Debug)]
pub struct Files(BTreeMap<String, Version>);

/// What tells a file that was written from one that was not; the same text may be written again.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    inode: u64,
    /// Seconds and nanoseconds.
    changed: (i64, i64),
    text: String,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Exit status; `None` after a signal or at the limit.
    pub status: Option<i32>,
    /// All that it wrote.
    pub printed: String,
}

impl Place {
    /// Makes a place in a directory, which is made.
    ///
    /// # Errors
    /// A directory that cannot be made.
    pub fn new(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        let root = root.canonicalize()?;
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755))?;
        // Another user may not reach the directory of the workspace.
        copy(&plain::data().join("recorders"), &root.join("recorders"))?;
        copy(&plain::data().join("stub"), &root.join("stub"))?;
        Ok(Self {
            root,
            ruby_environment: Vec::new(),
            user: None,
        })
    }

    /// Copies our binaries here and returns their directory.
    ///
    /// # Errors
    /// A binary that is not there.
    pub fn with_binaries(&self, from: &Path) -> io::Result<PathBuf> {
        let directory = self.own("bin");
        fs::create_dir_all(&directory)?;
        for name in ["originator", "listener", "worker-manager", "worker"] {
            let name = format!("gorgon-{name}");
            fs::copy(from.join(&name), directory.join(&name))?;
        }
        Ok(directory)
    }

    /// Sets variables that every program here gets.
    #[must_use]
    pub fn with_environment(mut self, environment: &[(String, String)]) -> Self {
        self.ruby_environment = environment.to_vec();
        self
    }

    /// Has all programs run as this user, who may then write here.
    #[must_use]
    pub fn with_user(mut self, user: u32) -> Self {
        self.user = Some(user);
        self
    }

    /// Gives all directories to the user of the place.
    ///
    /// # Errors
    /// What `chown` said.
    pub fn give_away(&self) -> io::Result<()> {
        let Some(user) = self.user else {
            return Ok(());
        };
        let mut chown = Command::new("chown");
        chown
            .args(["-R", "-h", &format!("{user}:{user}")])
            .arg(&self.root);
        command::run(chown, GIVE_LIMIT, b"").map_err(io::Error::other)?;
        Ok(())
    }

    /// Returns the directory of the project.
    #[must_use]
    pub fn project(&self) -> PathBuf {
        self.root.join("project")
    }

    /// Returns a path that is ours.
    #[must_use]
    pub fn own(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Makes all directories anew and has `fill` make the project.
    ///
    /// # Errors
    /// What cannot be removed or made.
    pub fn fresh(&self, fill: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
        for name in ["project", "home", "tmp", "cache", "run"] {
            let path = self.root.join(name);
            if path.exists() {
                fs::remove_dir_all(&path)?;
            }
            if name != "project" {
                fs::create_dir(&path)?;
            }
        }
        let project = self.project();
        fs::create_dir(&project)?;
        fill(&project)
    }

    /// Runs a program in the project, or in a directory of it, to its end.
    ///
    /// # Errors
    /// A program that cannot be started.
    pub fn run_with(
        &self,
        mut command: Command,
        variables: &[(String, String)],
        limit: Duration,
    ) -> io::Result<Ended> {
        let output = self.own("run").join("output");
        let file = File::create(&output)?;
        command
            .env_clear()
            .envs(self.environment())
            .envs(self.ruby_environment.iter().cloned())
            .envs(variables.iter().cloned())
            .stdin(Stdio::null())
            .stderr(file.try_clone()?)
            .stdout(file);
        if command.get_current_dir().is_none() {
            command.current_dir(self.project());
        }
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        let child = child::spawn(command, Options::default()).map_err(io::Error::other)?;
        let status = match child.end().recv_timeout(limit) {
            Ok(End::Exited(status)) => Some(status),
            _ => None,
        };
        drop(child);
        let printed = String::from_utf8_lossy(&fs::read(&output)?).into_owned();
        Ok(Ended { status, printed })
    }

    fn environment(&self) -> Vec<(&'static str, OsString)> {
        vec![
            ("PATH", std::env::var_os("PATH").unwrap_or_default()),
            ("LANG", "C.UTF-8".into()),
            ("TERM", "dumb".into()),
            ("TZ", "UTC".into()),
            ("SHELL", "/bin/bash".into()),
            ("HOME", self.own("home").into()),
            ("TMPDIR", self.own("tmp").into()),
            ("XDG_CACHE_HOME", self.own("cache").into()),
        ]
    }

    /// Returns the files of the project that were written since `before`, with their text.
    #[must_use]
    pub fn written_since(&self, before: &Files) -> BTreeMap<String, String> {
        let mut now = self.files().0;
        now.retain(|path, version| before.0.get(path) != Some(version));
        now.into_iter()
            .map(|(path, version)| (path, version.text))
            .collect()
    }

    /// Returns the project's files.
    #[must_use]
    pub fn files(&self) -> Files {
        let project = self.project();
        let mut found = BTreeMap::new();
        let mut left = vec![project.clone()];
        while let Some(directory) = left.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                let path = entry.path();
                let Ok(kind) = entry.file_type() else {
                    continue;
                };
                if kind.is_dir() {
                    if entry.file_name() != ".git" {
                        left.push(path);
                    }
                    continue;
                }
                let Ok(status) = entry.metadata() else {
                    continue;
                };
                let name = path.strip_prefix(&project).unwrap_or(&path);
                let text = if kind.is_file() {
                    let bytes = fs::read(&path).unwrap_or_default();
                    String::from_utf8_lossy(&bytes[..bytes.len().min(TEXT_BYTES)]).into_owned()
                } else {
                    String::new()
                };
                let version = Version {
                    inode: status.ino(),
                    changed: (status.mtime(), status.mtime_nsec()),
                    text,
                };
                found.insert(name.to_string_lossy().into_owned(), version);
            }
        }
        Files(found)
    }
}
