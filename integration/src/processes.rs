//! The processes of a test: those whose environment, arguments or working directory name its home.

use std::{
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use gorgon_process::command;

/// A running process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its parent's number.
    pub parent: u32,
    /// Name of its program.
    pub program: String,
    /// Its arguments, the program first.
    pub arguments: String,
}

impl Process {
    /// Sends it SIGKILL.
    ///
    /// # Panics
    /// When it is not there to be killed.
    pub fn kill_9(&self) {
        signal(self.pid, "KILL");
    }
}

/// Sends a signal to a process that the test knows to be its own.
///
/// # Panics
/// When it is not there.
pub fn signal(pid: u32, name: &str) {
    let mut kill = Command::new("kill");
    kill.args(["-s", name, "--"]).arg(pid.to_string());
    if let Err(error) = command::run(kill, Duration::from_secs(30), b"") {
        panic!("signal {pid}: {error}");
    }
}

/// Returns the processes that belong to `home`, zombies left out.
pub fn of(home: &Path) -> Vec<Process> {
    let own = std::process::id();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != own)
        .filter_map(|pid| look(pid, home))
        .collect();
    found.sort_unstable();
    found
}

/// Tells whether a process runs; a zombie does not.
pub fn runs(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != "Z" && state != "X")
}

fn look(pid: u32, home: &Path) -> Option<Process> {
    let directory = PathBuf::from(format!("/proc/{pid}"));
    let arguments = fs::read(directory.join("cmdline")).ok()?;
    let environment = fs::read(directory.join("environ")).unwrap_or_default();
    let mark = home.as_os_str().as_bytes();
    let names_it = |bytes: &[u8]| bytes.windows(mark.len()).any(|window| window == mark);
    let lives_there =
        || fs::read_link(directory.join("cwd")).is_ok_and(|cwd| cwd.starts_with(home));
    if !names_it(&arguments) && !names_it(&environment) && !lives_there() {
        return None;
    }
    let (state, parent) = stat(pid)?;
    if state == "Z" || state == "X" {
        return None;
    }
    let arguments: Vec<_> = arguments
        .split(|byte| *byte == 0)
        .map(String::from_utf8_lossy)
        .collect();
    let program = Path::new(arguments.first()?.as_ref())
        .file_name()?
        .to_string_lossy()
        .into_owned();
    Some(Process {
        pid,
        parent,
        program,
        arguments: arguments.join(" ").trim().to_owned(),
    })
}

/// Returns state and parent.
fn stat(pid: u32) -> Option<(String, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in brackets and may hold anything, brackets too.
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_run_and_a_number_beyond_all_does_not() {
        assert!(runs(std::process::id()));
        assert!(!runs(u32::MAX));
    }
}
