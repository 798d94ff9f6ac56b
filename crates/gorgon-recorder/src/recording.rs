//! A recording as the library left it. Bytes of other processes: none of them is believed.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use crate::layout::{self, RECORD_BYTES, did, fault, header, record};
use crate::stamp::{Stamp, Time};

/// What a process did with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Did {
    /// Asked what it is, or could not open it.
    Asked,
    /// Read or listed it.
    Read,
    /// Added to it, made or removed it.
    Wrote,
    /// Wrote all of its content.
    Put,
    /// What its links lead to.
    Followed,
}

/// One look at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The path, absolute.
    pub path: PathBuf,
    /// What was about to be done.
    pub did: Did,
    /// What was there then.
    pub seen: Option<Stamp>,
    /// When.
    pub clock: Time,
    /// Of a directory that was looked at its names, of a file about to be written what was in it; none: not known.
    pub content: Option<u64>,
}

/// All looks of a boot, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recording {
    /// The looks.
    pub notes: Vec<Note>,
    /// Libraries, other than Ruby, that have started a thread.
    pub threads: Vec<String>,
}

/// A recording that proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It is no recording.
    #[error("the recording cannot be read")]
    Damaged,
    /// More was looked at than it holds.
    #[error("more was looked at than can be recorded")]
    Full,
    /// Paths were looked at by a call that is not followed.
    #[error("a library looked at paths by glob or nftw, which cannot be recorded")]
    Call,
    /// A path could not be told.
    #[error("it looked at a path that has no name")]
    Path,
    /// A program was started that the library is not in.
    #[error(
        "it started a program that cannot be recorded (one of another user, or without the C library)"
    )]
    Program,
    /// The process itself began as a program that the library is not in.
    #[error(
        "what starts its Ruby cannot be recorded (a program of another user, or without the C library)"
    )]
    Launcher,
    /// The library is not in the process itself.
    #[error("its Ruby cannot be recorded")]
    NotLoaded,
}

impl Recording {
    /// Makes an empty recording of a file: what the library is told to write to.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn begin(file: &File) -> io::Result<()> {
        file.set_len(layout::BYTES as u64)?;
        file.write_all_at(&layout::MAGIC.to_ne_bytes(), header::MAGIC as u64)
    }

    /// Ends a recording: from here on nobody writes to it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn close(file: &File) -> io::Result<()> {
        file.write_all_at(&1_u64.to_ne_bytes(), header::CLOSED as u64)
    }

    /// Gives back the memory of a closed recording that has been read. Who still has it in memory looks at nothing but
    /// its first page, which says that it is closed.
    ///
    /// # Errors
    /// When it cannot be cut.
    pub fn forget(file: &File) -> io::Result<()> {
        file.set_len(layout::TABLE_AT as u64)
    }

    /// Reads a recording that is closed, of a process that was started as this program.
    ///
    /// # Errors
    /// When something that was looked at is missing in it.
    pub fn of(file: &File, started: &Started) -> Result<Self, Unusable> {
        let mut first = [0; 64];
        let read = |to: &mut [u8], at: usize| {
            file.read_exact_at(to, at as u64)
                .map_err(|_| Unusable::Damaged)
        };
        read(&mut first, 0)?;
        let used = usize::try_from(whole(&first, header::USED)?).unwrap_or(usize::MAX);
        let mut records = vec![0; used.min(layout::BYTES - layout::RECORDS_AT)];
        read(&mut records, layout::RECORDS_AT)?;
        Self::read(&first, &records, started)
    }

    /// Reads a recording in memory: its header, its records.
    ///
    /// # Errors
    /// When something that was looked at is missing in it.
    pub fn read(first: &[u8], records: &[u8], started: &Started) -> Result<Self, Unusable> {
        let number = |at| whole(first, at);
        if number(header::MAGIC)? != layout::MAGIC {
            return Err(Unusable::Damaged);
        }
        let faults = number(header::FAULTS)?;
        if faults & fault::FULL != 0 {
            return Err(Unusable::Full);
        }
        if faults & fault::PATH != 0 {
            return Err(Unusable::Path);
        }
        if faults & fault::CALL != 0 {
            return Err(Unusable::Call);
        }
        if faults & fault::PROGRAM != 0 {
            return Err(Unusable::Program);
        }
        if usize::try_from(number(header::USED)?) != Ok(records.len()) {
            return Err(Unusable::Damaged);
        }
        let (mut recording, mut rest) = (Self::default(), records);
        let mut programs = Programs::default();
        while !rest.is_empty() {
            let length = half(rest, record::BYTES)? as usize;
            if length < RECORD_BYTES || !length.is_multiple_of(8) || length > rest.len() {
                return Err(Unusable::Damaged);
            }
            let (one, following) = rest.split_at(length);
            recording.add(one, &mut programs)?;
            rest = following;
        }
        programs.check(started)?;
        Ok(recording)
    }

    fn add(&mut self, one: &[u8], programs: &mut Programs) -> Result<(), Unusable> {
        let pid = half(one, record::PID)?;
        let length = one.get(record::PATH_BYTES..record::PATH_BYTES + 2);
        let length = length
            .and_then(|two| two.try_into().ok())
            .map(u16::from_ne_bytes);
        let end = RECORD_BYTES + usize::from(length.ok_or(Unusable::Damaged)?);
        let path = one.get(RECORD_BYTES..end).ok_or(Unusable::Damaged)?;
        let did = match one[record::DID] {
            did::ASK => Did::Asked,
            did::READ => Did::Read,
            did::WRITE => Did::Wrote,
            did::FOLLOWED => Did::Followed,
            did::PUT => Did::Put,
            did::STARTED | did::NOT_STARTED | did::LOADED | did::SPAWNED => {
                return programs.saw(one[record::DID], pid, path);
            }
            did::THREAD => {
                self.threads
                    .push(String::from_utf8_lossy(path).into_owned());
                return Ok(());
            }
            _ => return Err(Unusable::Damaged),
        };
        let time = |seconds, nanoseconds| -> Result<Time, Unusable> {
            Ok(Time {
                seconds: whole(one, seconds)?.cast_signed(),
                nanoseconds: half(one, nanoseconds)?,
            })
        };
        let seen = Stamp {
            mode: half(one, record::MODE)?,
            owner: half(one, record::OWNER)?,
            size: whole(one, record::SIZE)?,
            modified: time(record::MTIME, record::MTIME_NS)?,
            changed: time(record::CTIME, record::CTIME_NS)?,
            inode: whole(one, record::INODE)?,
            device: whole(one, record::DEVICE)?,
        };
        self.notes.push(Note {
            path: PathBuf::from(OsStr::from_bytes(path)),
            did,
            seen: (one[record::THERE] == 1).then_some(seen),
            clock: time(record::CLOCK, record::CLOCK_NS)?,
            content: Some(whole(one, record::CONTENT)?).filter(|it| *it != 0),
        });
        Ok(())
    }
}

/// The process that is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Its number.
    pub pid: u32,
    /// The program as execve(2) was told it.
    pub program: PathBuf,
}

/// A process by its number, and a program as execve(2) was told it.
type Begun = (u32, Vec<u8>);

/// Programs that were started, and those that have loaded the library: each must be both, by the same path. A program
/// without the C library that becomes another one would else be taken for that one.
#[derive(Debug, Default)]
struct Programs {
    /// Processes that have become another program, which has not loaded the library yet.
    changing: HashMap<u32, Vec<u8>>,
    spawned: Vec<Begun>,
    /// Those that have loaded the library, but for what was in `changing`.
    loaded: Vec<Begun>,
    is_any: bool,
}

impl Programs {
    fn saw(&mut self, did: u8, pid: u32, program: &[u8]) -> Result<(), Unusable> {
        let program = program.to_vec();
        match did {
            did::STARTED => {
                if self.changing.insert(pid, program).is_some() {
                    return Err(Unusable::Program);
                }
            }
            did::NOT_STARTED => _ = self.changing.remove(&pid),
            did::SPAWNED => self.spawned.push((pid, program)),
            _ => {
                self.is_any = true;
                match self.changing.remove(&pid) {
                    Some(started) if started == program => {}
                    Some(_) => return Err(Unusable::Program),
                    None => self.loaded.push((pid, program)),
                }
            }
        }
        Ok(())
    }

    /// The first one was started by our own code, which records nothing.
    fn check(mut self, started: &Started) -> Result<(), Unusable> {
        if !self.is_any {
            return Err(Unusable::NotLoaded);
        }
        let first = (started.pid, started.program.as_os_str().as_bytes().to_vec());
        if self.loaded.first() != Some(&first) {
            return Err(Unusable::Launcher);
        }
        self.spawned.push(first);
        self.spawned.sort_unstable();
        self.loaded.sort_unstable();
        let all = self.changing.is_empty() && self.spawned == self.loaded;
        if all { Ok(()) } else { Err(Unusable::Program) }
    }
}

fn half(bytes: &[u8], at: usize) -> Result<u32, Unusable> {
    let found = bytes.get(at..at + 4).ok_or(Unusable::Damaged)?;
    Ok(u32::from_ne_bytes(
        found.try_into().map_err(|_| Unusable::Damaged)?,
    ))
}

fn whole(bytes: &[u8], at: usize) -> Result<u64, Unusable> {
    let found = bytes.get(at..at + 8).ok_or(Unusable::Damaged)?;
    Ok(u64::from_ne_bytes(
        found.try_into().map_err(|_| Unusable::Damaged)?,
    ))
}

#[cfg(test)]
mod tests;
