//! The path of a program that is about to be started.

use core::ffi::{CStr, c_char, c_int};

use crate::layout::did;
use crate::libc::{self, AT_FDCWD};
use crate::log::{self, note};
use crate::paths::{self, PATH_BYTES};

type Path = *const c_char;

/// A path as execve(2) is told it.
pub struct Program {
    path: [u8; PATH_BYTES],
    bytes: usize,
}

impl Program {
    /// # Safety
    /// `path` is null or a C string.
    pub unsafe fn of(path: Path) -> Self {
        let mut program = Self {
            path: [0; PATH_BYTES],
            bytes: 0,
        };
        if !path.is_null() {
            // SAFETY: the caller's path is a C string.
            program.set(&[unsafe { CStr::from_ptr(path) }.to_bytes()]);
        }
        program
    }

    /// That of a path below an open directory, as execveat(2) makes it up.
    ///
    /// # Safety
    /// `path` is null or a C string.
    pub unsafe fn at(dir: c_int, path: Path) -> Self {
        // SAFETY: the caller's word.
        let given = unsafe { Self::of(path) };
        if dir == AT_FDCWD || given.name().first() == Some(&b'/') {
            return given;
        }
        let mut program = Self::open(dir);
        if !given.name().is_empty() {
            let start = program.path;
            let start = &start[..program.bytes];
            program.set(&[start, b"/", given.name()]);
        }
        program
    }

    /// That of an open file.
    pub fn open(fd: c_int) -> Self {
        let mut program = Self {
            path: [0; PATH_BYTES],
            bytes: 0,
        };
        let mut number = [0_u8; 12];
        paths::decimal(fd, &mut number);
        let end = number.iter().position(|byte| *byte == 0);
        program.set(&[b"/dev/fd/", &number[..end.unwrap_or(0)]]);
        program
    }

    fn set(&mut self, pieces: &[&[u8]]) {
        self.bytes = 0;
        for piece in pieces {
            let end = self.bytes + piece.len();
            // One that is too long is none, for the kernel as well.
            let Some(room) = self.path.get_mut(self.bytes..end) else {
                break;
            };
            room.copy_from_slice(piece);
            self.bytes = end;
        }
        let last = self.path.len() - 1;
        self.path[self.bytes.min(last)] = 0;
    }

    /// The program of this name that the C library finds in PATH. Each path that it tries before is recorded: a program
    /// that is put there later would be found instead.
    ///
    /// # Safety
    /// `name` is null or a C string.
    pub unsafe fn found(name: Path) -> Self {
        // SAFETY: the caller's name and the environment's value are C strings.
        unsafe {
            let mut program = Self::of(name);
            if log::memory().is_none()
                || program.name().is_empty()
                || program.name().contains(&b'/')
            {
                return program;
            }
            let name = CStr::from_ptr(name).to_bytes();
            let given = libc::getenv(c"PATH".as_ptr());
            let directories = if given.is_null() {
                &b"/bin:/usr/bin"[..]
            } else {
                CStr::from_ptr(given).to_bytes()
            };
            for directory in directories.split(|byte| *byte == b':') {
                let slash: &[u8] = if directory.is_empty() { b"" } else { b"/" };
                program.set(&[directory, slash, name]);
                note(AT_FDCWD, program.as_ptr(), did::ASK);
                if libc::keeping_errno(|| log::runs(program.path.as_ptr())) {
                    break;
                }
            }
            program
        }
    }

    pub fn name(&self) -> &[u8] {
        &self.path[..self.bytes.min(self.path.len() - 1)]
    }

    pub fn as_ptr(&self) -> Path {
        self.path.as_ptr().cast()
    }
}
