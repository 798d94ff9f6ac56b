//! Programs and threads that a recorded process starts.
//!
//! The process that is kept must not show its tests a variable of ours, so there the library takes its variables out of
//! the environment, and puts them back into that of each program that it starts. All other processes hand them on.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::calls::{instead, next};
use crate::layout::{did, fault};
use crate::libc::{self, AT_FDCWD};
use crate::log::{self, note};
use crate::program::Program;

type Path = *const c_char;
type List = *const *const c_char;
type Any = *mut c_void;

/// Whether this process hides our variables.
static HIDES: AtomicBool = AtomicBool::new(false);
/// Room for `NAME=value`, of each of our variables.
const VARIABLE_BYTES: usize = 4096;
/// Our variables: the library, the recording, the script of the process to be kept, what the user had in the first one.
const NAMES: [&CStr; 4] = [
    c"LD_PRELOAD",
    c"GORGON_RECORDING",
    c"GORGON_RECORDED",
    c"GORGON_RECORDER",
];
/// The last of them, which may be missing.
const USERS: usize = 3;
/// As they were, for programs that are started; an empty one was missing. `bundle exec ruby` becomes another program
/// once more before it is the process to be kept.
static mut KEPT: [[u8; VARIABLE_BYTES]; 4] = [[0; VARIABLE_BYTES]; 4];

/// Takes our variables out of the environment if this is the process to be kept, by its command line.
pub fn hide() {
    libc::keeping_errno(|| {
        // SAFETY: constructors run before any thread of the program; the statics are written here alone.
        unsafe {
            let script = libc::getenv(c"GORGON_RECORDED".as_ptr());
            if script.is_null() || !runs(CStr::from_ptr(script).to_bytes()) {
                return;
            }
            let kept = &raw mut KEPT;
            let all =
                (0..NAMES.len()).all(|it| keep(NAMES[it], &raw mut (*kept)[it]) || it == USERS);
            let user = libc::getenv(NAMES[USERS].as_ptr());
            if !user.is_null() && *user != 0 {
                // What the user had in it stays.
                setenv(NAMES[0].as_ptr(), user, 1);
            } else {
                libc::unsetenv(NAMES[0].as_ptr());
            }
            for name in &NAMES[1..] {
                libc::unsetenv(name.as_ptr());
            }
            HIDES.store(all, Ordering::Release);
        }
    });
}

unsafe extern "C" {
    /// The environment of this process.
    pub static environ: List;
    fn setenv(name: Path, value: Path, over: c_int) -> c_int;
}

/// Writes `NAME=value` for later; false if there is none, or no room.
unsafe fn keep(name: &CStr, to: *mut [u8; VARIABLE_BYTES]) -> bool {
    // SAFETY: the caller's room; a value of the environment is a C string.
    unsafe {
        let value = libc::getenv(name.as_ptr());
        if value.is_null() {
            return false;
        }
        let (name, value) = (name.to_bytes(), CStr::from_ptr(value).to_bytes());
        let to = &mut *to;
        if name.len() + value.len() + 2 > to.len() {
            return false;
        }
        to[..name.len()].copy_from_slice(name);
        to[name.len()] = b'=';
        to[name.len() + 1..name.len() + 1 + value.len()].copy_from_slice(value);
        to[name.len() + 1 + value.len()] = 0;
        true
    }
}

/// Whether the command line of this process has this word.
unsafe fn runs(word: &[u8]) -> bool {
    // SAFETY: plain calls with memory of ours.
    unsafe {
        let fd =
            libc::syscall(libc::OPENAT, AT_FDCWD, c"/proc/self/cmdline".as_ptr(), 0, 0) as c_int;
        if fd < 0 {
            return false;
        }
        let mut text = [0_u8; 16 * 1024];
        let mut filled = 0;
        loop {
            let got = libc::read(fd, text[filled..].as_mut_ptr().cast(), text.len() - filled);
            match usize::try_from(got) {
                Ok(got) if got > 0 => filled += got,
                _ => break,
            }
        }
        libc::close(fd);
        text[..filled]
            .split(|byte| *byte == 0)
            .any(|found| found == word)
    }
}

/// An environment with our variables put back; freed when the program could not be started.
struct Environment {
    list: List,
    bytes: usize,
}

impl Environment {
    unsafe fn with_ours(given: List) -> Self {
        let plain = Self {
            list: given,
            bytes: 0,
        };
        if !HIDES.load(Ordering::Acquire) || given.is_null() || log::memory().is_none() {
            return plain;
        }
        // SAFETY: the caller's list ends with a null; the new one has room for it and two more. Not by malloc: this may
        // run between vfork and exec.
        unsafe {
            let mut count = 0;
            while !(*given.add(count)).is_null() {
                count += 1;
            }
            let bytes = (count + NAMES.len() + 1) * size_of::<usize>();
            let at = libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ_WRITE,
                libc::MAP_PRIVATE_ANONYMOUS,
                -1,
                0,
            );
            if at as isize == -1 {
                return plain;
            }
            let list = at.cast::<*const c_char>();
            let mut filled = 0;
            for index in 0..count {
                let entry = *given.add(index);
                let text = CStr::from_ptr(entry).to_bytes();
                if !text.starts_with(b"LD_PRELOAD=") {
                    *list.add(filled) = entry;
                    filled += 1;
                }
            }
            let kept = &raw const KEPT;
            for it in 0..NAMES.len() {
                let text: *const u8 = (&raw const (*kept)[it]).cast();
                if *text != 0 {
                    *list.add(filled) = text.cast();
                    filled += 1;
                }
            }
            *list.add(filled) = ptr::null();
            Self { list, bytes }
        }
    }

    unsafe fn free(self) {
        if self.bytes > 0 {
            // SAFETY: what `with_ours` has mapped.
            libc::keeping_errno(|| unsafe { libc::munmap(self.list as Any, self.bytes) });
        }
    }
}

/// Becomes a program: recorded, so that one which does not load us is noticed. Returns only if it fails.
unsafe fn turn_into(program: &Program, environment: List, by: impl FnOnce(List) -> c_int) -> c_int {
    // SAFETY: the caller's path and list.
    unsafe {
        note(AT_FDCWD, program.as_ptr(), did::READ);
        let environment = Environment::with_ours(environment);
        log::mark(did::STARTED, log::own_number(), program.name());
        let result = by(environment.list);
        log::mark(did::NOT_STARTED, log::own_number(), b"");
        environment.free();
        result
    }
}

/// Starts a program in another process, whose number the call leaves at `pid`.
unsafe fn spawn(
    pid: Any,
    program: &Program,
    environment: List,
    by: impl FnOnce(List, Any) -> c_int,
) -> c_int {
    // SAFETY: the caller's arguments; a number of ours where the caller wants none.
    unsafe {
        note(AT_FDCWD, program.as_ptr(), did::READ);
        let environment = Environment::with_ours(environment);
        let mut own: c_int = 0;
        let at = if pid.is_null() {
            (&raw mut own).cast()
        } else {
            pid
        };
        let result = by(environment.list, at);
        if result == 0 {
            log::mark(did::SPAWNED, *at.cast::<c_int>() as u32, program.name());
        }
        environment.free();
        result
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn execve(path: Path, arguments: List, environment: List) -> c_int {
    static REAL: AtomicUsize = AtomicUsize::new(0);
    // SAFETY: the caller's arguments are those of execve(2), and so is the type.
    unsafe {
        let real: unsafe extern "C" fn(Path, List, List) -> c_int =
            core::mem::transmute(next(&REAL, c"execve"));
        turn_into(&Program::of(path), environment, |environment| {
            real(path, arguments, environment)
        })
    }
}

type Spawn = unsafe extern "C" fn(Any, Path, Any, Any, List, List) -> c_int;

#[unsafe(no_mangle)]
unsafe extern "C" fn posix_spawn(
    pid: Any,
    path: Path,
    actions: Any,
    attributes: Any,
    arguments: List,
    environment: List,
) -> c_int {
    static REAL: AtomicUsize = AtomicUsize::new(0);
    // SAFETY: the caller's arguments are those of posix_spawn(3), and so is the type.
    unsafe {
        let real: Spawn = core::mem::transmute(next(&REAL, c"posix_spawn"));
        spawn(pid, &Program::of(path), environment, |environment, pid| {
            real(pid, path, actions, attributes, arguments, environment)
        })
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn posix_spawnp(
    pid: Any,
    file: Path,
    actions: Any,
    attributes: Any,
    arguments: List,
    environment: List,
) -> c_int {
    static REAL: AtomicUsize = AtomicUsize::new(0);
    // SAFETY: the caller's arguments are those of posix_spawnp(3), and so is the type.
    unsafe {
        let real: Spawn = core::mem::transmute(next(&REAL, c"posix_spawnp"));
        spawn(
            pid,
            &Program::found(file),
            environment,
            |environment, pid| real(pid, file, actions, attributes, arguments, environment),
        )
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn execv(path: Path, arguments: List) -> c_int {
    // SAFETY: as for execve(2).
    unsafe { execve(path, arguments, environ) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn execvpe(file: Path, arguments: List, environment: List) -> c_int {
    static REAL: AtomicUsize = AtomicUsize::new(0);
    // SAFETY: the caller's arguments are those of execvpe(3), and so is the type.
    unsafe {
        let real: unsafe extern "C" fn(Path, List, List) -> c_int =
            core::mem::transmute(next(&REAL, c"execvpe"));
        turn_into(&Program::found(file), environment, |environment| {
            real(file, arguments, environment)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn execvp(file: Path, arguments: List) -> c_int {
    // SAFETY: as for execvpe(3).
    unsafe { execvpe(file, arguments, environ) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fexecve(fd: c_int, arguments: List, environment: List) -> c_int {
    static REAL: AtomicUsize = AtomicUsize::new(0);
    // SAFETY: the caller's arguments are those of fexecve(3), and so is the type.
    unsafe {
        let real: unsafe extern "C" fn(c_int, List, List) -> c_int =
            core::mem::transmute(next(&REAL, c"fexecve"));
        turn_into(&Program::open(fd), environment, |environment| {
            real(fd, arguments, environment)
        })
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn execveat(
    dir: c_int,
    path: Path,
    arguments: List,
    environment: List,
    flags: c_int,
) -> c_int {
    static REAL: AtomicUsize = AtomicUsize::new(0);
    // SAFETY: the caller's arguments are those of execveat(2), and so is the type.
    unsafe {
        let real: unsafe extern "C" fn(c_int, Path, List, List, c_int) -> c_int =
            core::mem::transmute(next(&REAL, c"execveat"));
        turn_into(&Program::at(dir, path), environment, |environment| {
            real(dir, path, arguments, environment, flags)
        })
    }
}

/// The C library starts a program by itself; nobody knows its number.
fn unseen() {
    if let Some(memory) = log::memory() {
        memory.fault(fault::PROGRAM);
    }
}

instead! {
    system(command: Path) -> c_int { if !command.is_null() { unseen() } }
    popen(command: Path, mode: Path) -> Any { unseen() }
    pthread_create(thread: Any, attributes: Any, begin: Any, argument: Any) -> c_int { threaded(begin) }
}

/// Records the library that starts a thread, unless it is Ruby.
unsafe fn threaded(begin: Any) {
    if !HIDES.load(Ordering::Acquire) || log::memory().is_none() {
        return;
    }
    libc::keeping_errno(|| {
        // SAFETY: dladdr(3) looks the address up and reads nothing there; the name it finds stays.
        unsafe {
            let mut info = libc::DlInfo {
                file: ptr::null(),
                base: ptr::null_mut(),
                symbol: ptr::null(),
                address: ptr::null_mut(),
            };
            let found = libc::dladdr(begin, &raw mut info) != 0 && !info.file.is_null();
            let file = if found {
                CStr::from_ptr(info.file).to_bytes()
            } else {
                b"?"
            };
            let name = file.rsplit(|byte| *byte == b'/').next().unwrap_or(file);
            if !name.starts_with(b"ruby") && !name.starts_with(b"libruby") {
                log::name(did::THREAD, file);
            }
        }
    });
}
