//! A manager's way to a fork of a warm application.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead, BufReader, PipeWriter, Write};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use gorgon_process::child::End;
use gorgon_process::memory_file::path_for_others;
use gorgon_process::signals::Signal;

use super::{FromKeeper, ToKeeper, Wanted};
use crate::lines::{self, Read, line_of};
use crate::protocol::FromBoot;

/// A preloader that somebody else has forked for us. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Joined {
    /// The keeper: its end of this connection kills the preloader when ours ends.
    keeper: UnixStream,
    /// The preloader's connection, once it is there.
    pub(crate) streams: Receiver<UnixStream>,
    /// Why it is not to be had.
    pub(crate) declined: Receiver<String>,
    pub(crate) end: Receiver<End>,
    pub(crate) lines: Receiver<FromBoot>,
    socket: PathBuf,
}

impl Joined {
    /// Has the keeper signal it.
    pub(crate) fn signal_group(&self, signal: Signal) {
        let signal = signal.short_name().to_owned();
        // A keeper that has ended has taken the preloader with it.
        let _ = (&self.keeper).write_all(&line_of(&ToKeeper::Signal { signal }));
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        let _ = self.keeper.shutdown(std::net::Shutdown::Both);
        // In a directory that is removed with us.
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// Asks the keeper for a preloader, which is to connect to `socket`.
pub(crate) fn join(
    keeper: &Path,
    socket: PathBuf,
    wanted: Wanted,
    output: PipeWriter,
    job: &str,
) -> io::Result<Joined> {
    let stream = connect(keeper)?;
    let listener = listen(&socket)?;
    let line = ToKeeper::Want {
        wanted: Box::new(wanted),
        owner: socket.clone(),
        output: path_for_others(&output),
        job: job.to_owned(),
    };
    (&stream).write_all(&line_of(&line))?;
    let (streams, stream_of) = bounded(1);
    let (declines, declined) = bounded(1);
    let (ends, end) = bounded(1);
    let (told, lines) = bounded(64);
    let reading = stream.try_clone()?;
    thread::Builder::new()
        .name("keeper".to_owned())
        .spawn(move || {
            let hears = Hears {
                streams,
                declines,
                told,
            };
            let how = hears.until_end(reading, &listener, output);
            // Who asked may be gone.
            let _ = ends.send(how);
        })?;
    Ok(Joined {
        keeper: stream,
        streams: stream_of,
        declined,
        end,
        lines,
        socket,
    })
}

struct Hears {
    streams: Sender<UnixStream>,
    declines: Sender<String>,
    told: Sender<FromBoot>,
}

impl Hears {
    /// `output` is opened by its number, before the fork.
    fn until_end(&self, keeper: UnixStream, listener: &UnixListener, output: PipeWriter) -> End {
        let mut output = Some(output);
        for line in BufReader::new(keeper).lines() {
            let Some(said) = line.ok().and_then(|line| serde_json::from_str(&line).ok()) else {
                break;
            };
            // Each of these goes to a loop that may have ended; then the connection ends next.
            match said {
                FromKeeper::Declined { why } => {
                    let _ = self.declines.send(why);
                    break;
                }
                // It connected before it was forked, so this does not wait.
                FromKeeper::Forked { .. } => {
                    drop(output.take());
                    let met = listener.accept().and_then(|it| self.hear(it.0));
                    if let Err(error) = met {
                        log::warn!(target: "gorgon::ruby", error:%; "the preloader cannot be heard");
                    }
                }
                FromKeeper::CallbackFailed(failure) => {
                    let _ = self.told.send(FromBoot::CallbackFailed(failure));
                }
                FromKeeper::Refused(refusal) => {
                    let _ = self.told.send(FromBoot::Refused(refusal));
                }
                FromKeeper::Ended { status, signal } => {
                    return match (status, signal) {
                        (Some(status), _) => End::Exited(status),
                        (None, Some(signal)) => End::Signaled(signal),
                        (None, None) => break,
                    };
                }
                FromKeeper::Told { .. }
                | FromKeeper::Welcome
                | FromKeeper::Differs { .. }
                | FromKeeper::Status(_) => {}
            }
        }
        End::Signaled(Signal::Kill.number())
    }

    fn hear(&self, stream: UnixStream) -> io::Result<()> {
        let told = self.told.clone();
        lines::read(
            stream.try_clone()?,
            "ruby lines",
            move |read, _| match read {
                Read::Line(line, _) => told.send(line).is_ok(),
                Read::Unread(_) => true,
                Read::End => false,
            },
        )?;
        let _ = self.streams.send(stream);
        Ok(())
    }
}

/// Connects to a socket, however long its path is.
///
/// # Errors
/// When nobody listens there.
pub fn connect(socket: &Path) -> io::Result<UnixStream> {
    let (directory, name) = open(socket)?;
    UnixStream::connect(short(&directory, &name))
}

/// Listens on a new socket, however long its path is.
///
/// # Errors
/// When there is one already, or its directory is missing.
pub fn listen(socket: &Path) -> io::Result<UnixListener> {
    let (directory, name) = open(socket)?;
    UnixListener::bind(short(&directory, &name))
}

fn open(socket: &Path) -> io::Result<(File, OsString)> {
    let directory = File::open(socket.parent().ok_or(io::ErrorKind::InvalidInput)?)?;
    let name = socket.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    Ok((directory, name.to_owned()))
}

/// The name of a socket has at most 107 bytes: so it is named from the open directory.
fn short(directory: &File, name: &OsStr) -> PathBuf {
    let number = directory.as_raw_fd().to_string();
    Path::new("/proc/self/fd").join(number).join(name)
}
