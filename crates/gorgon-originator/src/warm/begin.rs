//! How a run finds the keeper of its project, or starts one.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use gorgon_process::detached;
use gorgon_ruby::warm::{self, FromKeeper, ToKeeper};

use super::place::Place;
use super::{command, surroundings};

/// Keepers of one user, at most.
const MOST: usize = 2;
/// How long a keeper may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// How long one that ends may take.
const END_LIMIT: Duration = Duration::from_secs(5);
/// A variable that every CI sets.
const CI: &str = "CI";

/// A line for the user; true: only for who wants to know more.
pub(crate) type Told = (String, bool);

/// A keeper that serves this run.
#[derive(Debug)]
pub(crate) struct Warm {
    /// Its socket.
    pub(crate) socket: PathBuf,
    /// What it says to the user.
    pub(crate) told: Receiver<Told>,
}

/// Returns whether a run that wants it may keep its application warm; else why not.
pub(crate) fn is_possible() -> Result<(), Unwanted> {
    if gorgon_recorder::LIBRARY.is_empty() {
        return Err(Unwanted::NoRecorder);
    }
    if !std::env::var_os(CI).is_none_or(|it| it.is_empty() || it == "false") {
        return Err(Unwanted::Ci);
    }
    let foreign = |(name, value): (OsString, OsString)| {
        let is_text = name.to_str().is_some() && value.to_str().is_some();
        (!is_text).then(|| name.to_string_lossy().into_owned())
    };
    match std::env::vars_os().find_map(foreign) {
        Some(name) => Err(Unwanted::Environment(name)),
        None => Ok(()),
    }
}

/// Why a run keeps nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unwanted {
    #[error("nothing is kept warm: there is no recorder for this system")]
    NoRecorder,
    #[error("nothing is kept warm, as CI is set")]
    Ci,
    #[error("nothing is kept warm: the variable {0} of the environment is not UTF-8")]
    Environment(String),
    #[error("nothing is kept warm: it works only with --local in place, not in a workspace")]
    Workspace,
}

impl Unwanted {
    /// Whether only `-v` tells it: nobody needs to do anything about it.
    pub(crate) fn is_detail(&self) -> bool {
        matches!(self, Self::NoRecorder | Self::Ci)
    }
}

/// Finds the keeper of a project, or starts one that ends after `limit` without use.
pub(crate) fn begin(project: &Path, limit: Duration) -> io::Result<Warm> {
    let place = Place::find()?;
    let socket = place.socket(project);
    let (tell, told) = bounded(64);
    let stream = match watch(&socket)? {
        Some(Watched::Served(stream)) => stream,
        found => {
            if let Some(Watched::Differs(what)) = found {
                // There is room.
                let _ = tell.send((format!("reloading: {what} changed"), false));
            }
            start(&place, project, limit)?
        }
    };
    listen(stream, tell)?;
    Ok(Warm { socket, told })
}

enum Watched {
    Served(BufReader<UnixStream>),
    Differs(String),
}

/// Asks a keeper to serve us; none if there is none.
fn watch(socket: &Path) -> io::Result<Option<Watched>> {
    let Ok(mut stream) = warm::connect(socket) else {
        return Ok(None);
    };
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    let process = surroundings::own();
    let mut line = serde_json::to_vec(&ToKeeper::Watch { process })?;
    line.push(b'\n');
    // One that has just ended is as one that is not there.
    let _ = stream.write_all(&line);
    let mut reader = BufReader::new(stream);
    let mut answer = String::new();
    if reader.read_line(&mut answer)? == 0 {
        return Ok(None);
    }
    match serde_json::from_str(&answer) {
        Ok(FromKeeper::Welcome) => Ok(Some(Watched::Served(reader))),
        Ok(FromKeeper::Differs { what }) => {
            wait_for_end(reader)?;
            Ok(Some(Watched::Differs(what)))
        }
        _ => {
            // One of another version: it ends as any of them.
            command::stop_at(socket)?;
            Ok(Some(Watched::Differs("the version of Gorgon".to_owned())))
        }
    }
}

fn wait_for_end(mut reader: BufReader<UnixStream>) -> io::Result<()> {
    reader.get_ref().set_read_timeout(Some(END_LIMIT))?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        line.clear();
    }
    Ok(())
}

/// Starts a keeper, unless somebody else was faster. It can be connected to before it runs.
fn start(place: &Place, project: &Path, limit: Duration) -> io::Result<BufReader<UnixStream>> {
    let _lock = hold(&place.lock())?;
    let socket = place.socket(project);
    if let Some(Watched::Served(stream)) = watch(&socket)? {
        return Ok(stream);
    }
    make_room(place, &socket)?;
    let beside = socket.with_extension(format!("{}.new", std::process::id()));
    let _ = fs::remove_file(&beside);
    let listener = warm::listen(&beside)?;
    fs::rename(&beside, &socket)?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["warm", "keep"])
        .arg("--socket")
        .arg(&socket)
        .args(["--limit", &limit.as_secs_f64().to_string()])
        .arg("--")
        .arg(project)
        // All that it starts is told its environment.
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    detached::spawn(command)?;
    match watch(&socket)? {
        Some(Watched::Served(stream)) => Ok(stream),
        _ => Err(io::Error::other("it does not answer")),
    }
}

/// Ends the keeper that was idle for longest, if there are too many.
fn make_room(place: &Place, but: &Path) -> io::Result<()> {
    let sockets = place.sockets().into_iter().filter(|it| it != but);
    let mut others: Vec<_> = sockets
        .filter_map(|socket| Some((command::status_at(&socket)?, socket)))
        .collect();
    others.sort_by(|(a, _), (b, _)| b.idle_s.total_cmp(&a.idle_s));
    while others.len() >= MOST {
        let at = others
            .iter()
            .position(|(status, _)| status.state == "idle" || status.state == "empty");
        let at = at.ok_or_else(|| io::Error::other("two applications are in use"))?;
        let (_, socket) = others.remove(at);
        command::stop_at(&socket)?;
    }
    Ok(())
}

fn hold(path: &Path) -> io::Result<File> {
    let file = File::options().create(true).append(true).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        // It is held for the start of a process.
        Err(TryLockError::WouldBlock) => file.lock()?,
        Err(TryLockError::Error(error)) => return Err(error),
    }
    Ok(file)
}

/// Reads what the keeper tells, in a thread that ends with the keeper or with us.
fn listen(reader: BufReader<UnixStream>, tell: Sender<Told>) -> io::Result<()> {
    reader.get_ref().set_read_timeout(None)?;
    thread::Builder::new()
        .name("keeper".to_owned())
        .spawn(move || {
            for line in reader.lines() {
                let Ok(line) = line else { return };
                if let Ok(FromKeeper::Told { text, detail }) = serde_json::from_str(&line)
                    && tell.send((text, detail)).is_err()
                {
                    return;
                }
            }
        })?;
    Ok(())
}
