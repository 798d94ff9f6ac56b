//! Processes that outlive their parent, or their welcome: adopted, found, ended, reaped.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::child::{self, End};
use crate::liveness::{self, Stat};
use crate::signals::Signal;

/// Maximum number of rounds of the search, as processes may fork while we look.
const ROUNDS: usize = 20;

/// Looks that find nobody, one after the other, before the search ends.
const QUIET_ROUNDS: usize = 2;

/// How long a process without an environment is taken to be in the middle of exec(2).
const EXEC_LIMIT: Duration = Duration::from_millis(20);

/// The parent of the kernel's own threads.
const KERNEL_THREADS: u32 = 2;

/// How long to wait for the ends of the processes that were killed in one round.
const GONE_LIMIT: Duration = Duration::from_secs(1);

/// Makes this process adopt what its descendants leave behind, in place of init.
///
/// # Errors
/// Never on Linux ≥ 3.4.
pub fn become_subreaper() -> io::Result<()> {
    let on: libc::c_ulong = 1;
    // SAFETY: PR_SET_CHILD_SUBREAPER takes a number and touches no memory of ours.
    #[expect(unsafe_code, reason = "prctl(2) has no safe form in std")]
    let result = unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, on) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Asks for `signal` when our parent ends. To be called with the parent that was seen first.
///
/// Children started with [`child::Options::parent_death`] have this from before their first
/// instruction; call it only where the parent is none of ours.
///
/// # Errors
/// When the parent is another one already: it has died, and the signal will never come.
pub fn die_with_parent(expected_parent: u32, signal: Signal) -> io::Result<()> {
    child::set_parent_death(signal)?;
    if liveness::parent() == expected_parent {
        Ok(())
    } else {
        Err(io::Error::other(format!(
            "the parent, process {expected_parent}, is gone"
        )))
    }
}

/// Reaps the adopted children that have ended, and returns them; those that were started with
/// [`child::spawn`] are left to their watchers.
pub fn reap_adopted() -> Vec<(u32, End)> {
    child::with_ours(|ours| {
        children()
            .into_iter()
            .filter(|pid| !ours.contains(pid))
            .filter(|pid| Stat::read(*pid).is_some_and(|stat| stat.is_zombie()))
            .map(|pid| (pid, child::reap(pid)))
            .collect()
    })
}

/// Returns the living children of this process that it did not start, but adopted.
#[must_use]
pub fn adopted() -> Vec<u32> {
    child::with_ours(|ours| {
        let mut found = children();
        found.retain(|pid| !ours.contains(pid));
        found.retain(|pid| Stat::read(*pid).is_some_and(|stat| !stat.is_zombie()));
        found
    })
}

/// Returns the living processes of a group.
#[must_use]
pub fn in_group(group: u32) -> Vec<u32> {
    find(|_, stat| stat.group == group && !stat.is_zombie())
}

/// Returns the living processes of a session.
#[must_use]
pub fn in_session(session: u32) -> Vec<u32> {
    find(|_, stat| stat.session == session && !stat.is_zombie())
}

/// Returns the living processes that were started with `name=value` in their environment.
///
/// Left out are we ourselves and those above us: a job may run inside another job's test.
#[must_use]
pub fn with_environment(name: &str, value: &str) -> Vec<u32> {
    let ancestors = ancestors();
    let mut found = find(|pid, stat| !stat.is_zombie() && has_environment(pid, name, value));
    found.retain(|pid| !ancestors.contains(pid));
    found
}

/// Returns the living processes that are in this directory, or have something in it open, but for us.
/// Those of other users are not seen.
#[must_use]
pub fn working_in(directory: &Path) -> Vec<u32> {
    let own = std::process::id();
    let inside = |link: PathBuf| fs::read_link(link).is_ok_and(|to| to.starts_with(directory));
    let works = |pid: &u32| {
        let place = PathBuf::from(format!("/proc/{pid}"));
        let open = fs::read_dir(place.join("fd"))
            .into_iter()
            .flatten()
            .flatten();
        inside(place.join("cwd")) || open.into_iter().any(|fd| inside(fd.path()))
    };
    processes()
        .into_iter()
        .filter(|pid| *pid != own)
        .filter(works)
        .collect()
}

/// Kills every process that was started with `name=value` in its environment, but for `except`,
/// us, and those above us; returns the numbers of those killed.
///
/// It looks again until nobody is found twice, since what it kills may just have forked. Each is held by
/// a descriptor while it is looked at, so that the number cannot pass to another process.
pub fn kill_by_environment(name: &str, value: &str, except: &[u32]) -> Vec<u32> {
    let (mut killed, mut quiet) = (Vec::new(), 0);
    for _ in 0..ROUNDS {
        let mut found = with_environment(name, value);
        found.retain(|pid| !except.contains(pid) && !killed.contains(pid));
        let round = kill_each(&found, |pid| has_environment(pid, name, value));
        // One that just forked may not be listed yet.
        quiet = if round.is_empty() { quiet + 1 } else { 0 };
        if quiet == QUIET_ROUNDS {
            break;
        }
        killed.extend(round);
    }
    killed
}

/// Kills the adopted children of this process and what they leave to us in turn, reaps them, and
/// returns their numbers. For a subreaper, when all its own work has ended.
pub fn kill_adopted() -> Vec<u32> {
    kill_adopted_but("", &[])
}

/// The same, but spares those that were started with `name` and one of these values in their
/// environment. For a subreaper some of whose work goes on.
pub fn kill_adopted_but(name: &str, values: &[&str]) -> Vec<u32> {
    let own = std::process::id();
    let spared = |pid: u32| values.iter().any(|value| has_environment(pid, name, value));
    let mut killed = Vec::new();
    for _ in 0..ROUNDS {
        let mut found = adopted();
        found.retain(|pid| !spared(*pid));
        let is_child = |pid| Stat::read(pid).is_some_and(|stat| stat.parent == own);
        let round = kill_each(&found, is_child);
        // Not each by its number: a process that hangs in the kernel must not hold us.
        reap_adopted();
        if round.is_empty() {
            break;
        }
        killed.extend(round);
    }
    killed
}

/// Kills those that are still what we took them for once we hold them, waits for their ends, and
/// returns them.
fn kill_each(pids: &[u32], still: impl Fn(u32) -> bool) -> Vec<u32> {
    let killed: Vec<(u32, OwnedFd)> = pids
        .iter()
        .filter_map(|pid| Some((*pid, hold(*pid)?)))
        .filter(|(pid, held)| still(*pid) && signal_held(held, Signal::Kill))
        .collect();
    let until = Instant::now() + GONE_LIMIT;
    for (_, held) in &killed {
        wait_for_end(held, until.saturating_duration_since(Instant::now()));
    }
    killed.into_iter().map(|(pid, _)| pid).collect()
}

/// Waits until a held process has ended (its descriptor is readable then).
fn wait_for_end(held: &OwnedFd, limit: Duration) {
    let mut waiting = libc::pollfd {
        fd: held.as_fd().as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let limit_ms = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the pointer is to one pollfd of ours, which lives through the call.
    #[expect(unsafe_code, reason = "poll(2) has no safe form in std")]
    unsafe {
        libc::poll(&raw mut waiting, 1, limit_ms);
    }
}

/// Opens a descriptor that means this process and no later one (pidfd_open(2)).
fn hold(pid: u32) -> Option<OwnedFd> {
    // SAFETY: the call takes numbers only; a non-negative result is a descriptor that is ours.
    #[expect(unsafe_code, reason = "pidfd_open(2) has no safe form in std")]
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        i32::try_from(fd)
            .ok()
            .filter(|fd| *fd >= 0)
            .map(|fd| OwnedFd::from_raw_fd(fd))
    }
}

fn signal_held(held: &OwnedFd, signal: Signal) -> bool {
    // SAFETY: the descriptor is open; a null siginfo is allowed and means a plain signal.
    #[expect(unsafe_code, reason = "pidfd_send_signal(2) has no safe form in std")]
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            held.as_fd().as_raw_fd(),
            signal.number(),
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    result == 0
}

/// We, our parent, its parent, up to init.
fn ancestors() -> Vec<u32> {
    let mut line = vec![std::process::id()];
    let mut next = Some(liveness::parent());
    while let Some(pid) = next
        && pid > 0
        && !line.contains(&pid)
    {
        line.push(pid);
        next = Stat::read(pid).map(|stat| stat.parent);
    }
    line
}

fn has_environment(pid: u32, name: &str, value: &str) -> bool {
    let wanted = format!("{name}={value}");
    environment(pid)
        .split(|byte| *byte == 0)
        .any(|entry| entry == wanted.as_bytes())
}

/// The environment that a process was started with; empty for one of another user, or that is gone.
///
/// In the middle of exec(2) a process has neither environment nor command line, for less than a millisecond: then it
/// is looked at again. Threads of the kernel never have any.
fn environment(pid: u32) -> Vec<u8> {
    let until = Instant::now() + EXEC_LIMIT;
    loop {
        let found = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let is_in_exec = || {
            fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.is_empty())
                && Stat::read(pid).is_some_and(|stat| {
                    !stat.is_zombie() && stat.parent != KERNEL_THREADS && pid != KERNEL_THREADS
                })
        };
        if !found.is_empty() || !is_in_exec() || Instant::now() >= until {
            return found;
        }
        std::thread::yield_now();
    }
}

/// Returns the children of this process, living or not, as far as it has not reaped them.
///
/// The kernel's list of them leaves none out as long as nobody reaps meanwhile (proc(5)), which [`child::with_ours`]
/// sees to. Without it every process of the machine is looked at: 3 ms with 130 of them, several times a job.
fn children() -> Vec<u32> {
    listed_children().unwrap_or_else(|_| {
        let own = std::process::id();
        let is_child = |pid: &u32| Stat::read(*pid).is_some_and(|stat| stat.parent == own);
        processes().into_iter().filter(is_child).collect()
    })
}

/// Children hang on the thread that started or adopted them; those of one that ends meanwhile hang on another. A
/// kernel may lack the list.
fn listed_children() -> io::Result<Vec<u32>> {
    let mut found = Vec::new();
    for thread in fs::read_dir("/proc/self/task")? {
        let list = fs::read_to_string(thread?.path().join("children"))?;
        found.extend(
            list.split_whitespace()
                .filter_map(|pid| pid.parse::<u32>().ok()),
        );
    }
    Ok(found)
}

fn find(wanted: impl Fn(u32, &Stat) -> bool) -> Vec<u32> {
    processes()
        .into_iter()
        .filter(|pid| Stat::read(*pid).is_some_and(|stat| wanted(*pid, &stat)))
        .collect()
}

fn processes() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests;
