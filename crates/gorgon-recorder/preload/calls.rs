//! Calls of the C library that look at paths or change what lies there: each is recorded, then done.

use core::ffi::{c_char, c_int, c_uint, c_void};
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::layout::did::{ASK, PUT, READ, WRITE};
use crate::libc::{self, AT_FDCWD};
use crate::log::{note, note_itself};

/// The same function as whoever comes after us has it.
pub fn next(kept: &AtomicUsize, name: &core::ffi::CStr) -> usize {
    match kept.load(Ordering::Relaxed) {
        0 => {
            // SAFETY: the name is a C string.
            let found =
                libc::keeping_errno(|| unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) })
                    as usize;
            kept.store(found, Ordering::Relaxed);
            found
        }
        found => found,
    }
}

/// Declares functions of the C library in our place: `before` runs, then the real one, then `after`.
macro_rules! instead {
    ($($name:ident($($arg:ident: $kind:ty),*) -> $result:ty { $before:expr })*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($arg: $kind),*) -> $result {
            static REAL: AtomicUsize = AtomicUsize::new(0);
            const NAME: &core::ffi::CStr =
                match core::ffi::CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                    Ok(name) => name,
                    Err(_) => panic!("a name has no zeros"),
                };
            let real = next(&REAL, NAME);
            if real == 0 {
                // A library that knows of this call, in a system without it: nobody can have asked for it.
                libc::abort();
            }
            // SAFETY: whoever calls this gives what the C library asks for; the real function has this type.
            unsafe {
                $before;
                let real: unsafe extern "C" fn($($kind),*) -> $result = core::mem::transmute(real);
                real($($arg),*)
            }
        }
    )*};
}
pub(crate) use instead;

type Path = *const c_char;
type Any = *mut c_void;

/// What is done by an open with these flags. Who adds to a file leaves what is there; who only writes it otherwise puts
/// something in its place.
unsafe fn opened(dirfd: c_int, path: Path, flags: c_int) {
    let access = flags & libc::O_ACCMODE;
    // SAFETY: the caller's path.
    unsafe {
        if flags & libc::O_PATH == libc::O_PATH {
            return note(dirfd, path, ASK);
        }
        if access != 1 {
            note(dirfd, path, READ);
        }
        if flags & libc::O_TRUNC != 0 || access == 1 && flags & libc::O_APPEND == 0 {
            note(dirfd, path, PUT);
        } else if access != 0 || flags & libc::O_CREAT != 0 {
            note(dirfd, path, WRITE);
        }
    }
}

/// The same for the modes of fopen(3).
unsafe fn streamed(path: Path, mode: Path) {
    // SAFETY: the caller's strings.
    unsafe {
        if path.is_null() || mode.is_null() {
            return;
        }
        let mode = core::ffi::CStr::from_ptr(mode).to_bytes();
        let updates = mode.contains(&b'+');
        match mode.first() {
            Some(b'w') => note(AT_FDCWD, path, PUT),
            Some(b'a') => {
                if updates {
                    note(AT_FDCWD, path, READ);
                }
                note(AT_FDCWD, path, WRITE);
            }
            _ => {
                note(AT_FDCWD, path, READ);
                if updates {
                    note(AT_FDCWD, path, WRITE);
                }
            }
        }
    }
}

/// A library looks at paths in a way that is not seen.
fn unseen() {
    if let Some(memory) = crate::log::memory() {
        memory.fault(crate::layout::fault::CALL);
    }
}

unsafe fn both(from_dir: c_int, from: Path, to_dir: c_int, to: Path) {
    // SAFETY: the caller's paths.
    unsafe {
        note(from_dir, from, WRITE);
        note(to_dir, to, PUT);
    }
}

// open(2) takes its mode as a variable argument, which comes in the same register as a third one.
instead! {
    open(path: Path, flags: c_int, mode: c_uint) -> c_int { opened(AT_FDCWD, path, flags) }
    open64(path: Path, flags: c_int, mode: c_uint) -> c_int { opened(AT_FDCWD, path, flags) }
    openat(dir: c_int, path: Path, flags: c_int, mode: c_uint) -> c_int { opened(dir, path, flags) }
    openat64(dir: c_int, path: Path, flags: c_int, mode: c_uint) -> c_int { opened(dir, path, flags) }
    __open_2(path: Path, flags: c_int) -> c_int { opened(AT_FDCWD, path, flags) }
    __open64_2(path: Path, flags: c_int) -> c_int { opened(AT_FDCWD, path, flags) }
    __openat_2(dir: c_int, path: Path, flags: c_int) -> c_int { opened(dir, path, flags) }
    __openat64_2(dir: c_int, path: Path, flags: c_int) -> c_int { opened(dir, path, flags) }
    creat(path: Path, mode: c_uint) -> c_int { note(AT_FDCWD, path, PUT) }
    creat64(path: Path, mode: c_uint) -> c_int { note(AT_FDCWD, path, PUT) }
    fopen(path: Path, mode: Path) -> Any { streamed(path, mode) }
    fopen64(path: Path, mode: Path) -> Any { streamed(path, mode) }
    freopen(path: Path, mode: Path, stream: Any) -> Any { streamed(path, mode) }
    freopen64(path: Path, mode: Path, stream: Any) -> Any { streamed(path, mode) }
    opendir(path: Path) -> Any { note(AT_FDCWD, path, READ) }
    scandir(path: Path, list: Any, filter: Any, order: Any) -> c_int { note(AT_FDCWD, path, READ) }
    scandir64(path: Path, list: Any, filter: Any, order: Any) -> c_int { note(AT_FDCWD, path, READ) }
    dlopen(path: Path, flags: c_int) -> Any { loaded(path) }
    readlink(path: Path, to: Any, bytes: usize) -> isize { note_itself(AT_FDCWD, path, READ) }
    readlinkat(dir: c_int, path: Path, to: Any, bytes: usize) -> isize { note_itself(dir, path, READ) }
    realpath(path: Path, to: Any) -> Any { note(AT_FDCWD, path, ASK) }
    __realpath_chk(path: Path, to: Any, bytes: usize) -> Any { note(AT_FDCWD, path, ASK) }
    canonicalize_file_name(path: Path) -> Any { note(AT_FDCWD, path, ASK) }
    chdir(path: Path) -> c_int { note(AT_FDCWD, path, ASK) }

    stat(path: Path, to: Any) -> c_int { note(AT_FDCWD, path, ASK) }
    stat64(path: Path, to: Any) -> c_int { note(AT_FDCWD, path, ASK) }
    lstat(path: Path, to: Any) -> c_int { note_itself(AT_FDCWD, path, ASK) }
    lstat64(path: Path, to: Any) -> c_int { note_itself(AT_FDCWD, path, ASK) }
    fstatat(dir: c_int, path: Path, to: Any, flags: c_int) -> c_int { asked(dir, path, flags) }
    fstatat64(dir: c_int, path: Path, to: Any, flags: c_int) -> c_int { asked(dir, path, flags) }
    statx(dir: c_int, path: Path, flags: c_int, mask: c_uint, to: Any) -> c_int { asked(dir, path, flags) }
    __xstat(version: c_int, path: Path, to: Any) -> c_int { note(AT_FDCWD, path, ASK) }
    __xstat64(version: c_int, path: Path, to: Any) -> c_int { note(AT_FDCWD, path, ASK) }
    __lxstat(version: c_int, path: Path, to: Any) -> c_int { note_itself(AT_FDCWD, path, ASK) }
    __lxstat64(version: c_int, path: Path, to: Any) -> c_int { note_itself(AT_FDCWD, path, ASK) }
    __fxstatat(version: c_int, dir: c_int, path: Path, to: Any, flags: c_int) -> c_int { asked(dir, path, flags) }
    __fxstatat64(version: c_int, dir: c_int, path: Path, to: Any, flags: c_int) -> c_int { asked(dir, path, flags) }
    access(path: Path, mode: c_int) -> c_int { note(AT_FDCWD, path, ASK) }
    eaccess(path: Path, mode: c_int) -> c_int { note(AT_FDCWD, path, ASK) }
    euidaccess(path: Path, mode: c_int) -> c_int { note(AT_FDCWD, path, ASK) }
    faccessat(dir: c_int, path: Path, mode: c_int, flags: c_int) -> c_int { note(dir, path, ASK) }

    glob(pattern: Path, flags: c_int, error: Any, found: Any) -> c_int { unseen() }
    glob64(pattern: Path, flags: c_int, error: Any, found: Any) -> c_int { unseen() }
    ftw(path: Path, each: Any, open: c_int) -> c_int { unseen() }
    ftw64(path: Path, each: Any, open: c_int) -> c_int { unseen() }
    nftw(path: Path, each: Any, open: c_int, flags: c_int) -> c_int { unseen() }
    nftw64(path: Path, each: Any, open: c_int, flags: c_int) -> c_int { unseen() }
    fts_open(paths: Any, options: c_int, order: Any) -> Any { unseen() }
    fts64_open(paths: Any, options: c_int, order: Any) -> Any { unseen() }
    scandirat(dir: c_int, path: Path, list: Any, filter: Any, order: Any) -> c_int { note(dir, path, READ) }
    scandirat64(dir: c_int, path: Path, list: Any, filter: Any, order: Any) -> c_int { note(dir, path, READ) }
    wordexp(words: Path, to: Any, flags: c_int) -> c_int { unseen() }
    dlmopen(space: isize, path: Path, flags: c_int) -> Any { loaded(path) }
    inotify_add_watch(fd: c_int, path: Path, mask: c_uint) -> c_int { note(AT_FDCWD, path, ASK) }
    setenv(name: Path, value: Path, over: c_int) -> c_int { set(name, value) }

    mkdir(path: Path, mode: c_uint) -> c_int { note(AT_FDCWD, path, WRITE) }
    mkdirat(dir: c_int, path: Path, mode: c_uint) -> c_int { note(dir, path, WRITE) }
    rmdir(path: Path) -> c_int { note(AT_FDCWD, path, WRITE) }
    unlink(path: Path) -> c_int { note(AT_FDCWD, path, WRITE) }
    unlinkat(dir: c_int, path: Path, flags: c_int) -> c_int { note(dir, path, WRITE) }
    remove(path: Path) -> c_int { note(AT_FDCWD, path, WRITE) }
    rename(from: Path, to: Path) -> c_int { both(AT_FDCWD, from, AT_FDCWD, to) }
    renameat(from_dir: c_int, from: Path, to_dir: c_int, to: Path) -> c_int { both(from_dir, from, to_dir, to) }
    renameat2(from_dir: c_int, from: Path, to_dir: c_int, to: Path, flags: c_uint) -> c_int { both(from_dir, from, to_dir, to) }
    link(from: Path, to: Path) -> c_int { both(AT_FDCWD, from, AT_FDCWD, to) }
    linkat(from_dir: c_int, from: Path, to_dir: c_int, to: Path, flags: c_int) -> c_int { both(from_dir, from, to_dir, to) }
    symlink(to: Path, path: Path) -> c_int { note(AT_FDCWD, path, PUT) }
    symlinkat(to: Path, dir: c_int, path: Path) -> c_int { note(dir, path, WRITE) }
    truncate(path: Path, bytes: i64) -> c_int { note(AT_FDCWD, path, PUT) }
    truncate64(path: Path, bytes: i64) -> c_int { note(AT_FDCWD, path, PUT) }
    chmod(path: Path, mode: c_uint) -> c_int { note(AT_FDCWD, path, WRITE) }
    utimensat(dir: c_int, path: Path, times: Any, flags: c_int) -> c_int { note(dir, path, WRITE) }
    utimes(path: Path, times: Any) -> c_int { note(AT_FDCWD, path, WRITE) }
    utime(path: Path, times: Any) -> c_int { note(AT_FDCWD, path, WRITE) }
    lutimes(path: Path, times: Any) -> c_int { note(AT_FDCWD, path, WRITE) }
    futimesat(dir: c_int, path: Path, times: Any) -> c_int { note(dir, path, WRITE) }
    fchmodat(dir: c_int, path: Path, mode: c_uint, flags: c_int) -> c_int { note(dir, path, WRITE) }
    chown(path: Path, owner: c_uint, group: c_uint) -> c_int { note(AT_FDCWD, path, WRITE) }
    lchown(path: Path, owner: c_uint, group: c_uint) -> c_int { note(AT_FDCWD, path, WRITE) }
    fchownat(dir: c_int, path: Path, owner: c_uint, group: c_uint, flags: c_int) -> c_int { note(dir, path, WRITE) }
    mkfifo(path: Path, mode: c_uint) -> c_int { note(AT_FDCWD, path, WRITE) }
    mkfifoat(dir: c_int, path: Path, mode: c_uint) -> c_int { note(dir, path, WRITE) }
    mknod(path: Path, mode: c_uint, device: u64) -> c_int { note(AT_FDCWD, path, WRITE) }
    mknodat(dir: c_int, path: Path, mode: c_uint, device: u64) -> c_int { note(dir, path, WRITE) }
}

/// Asked for by a call that can leave the last link alone.
unsafe fn asked(dir: c_int, path: Path, flags: c_int) {
    // SAFETY: the caller's path.
    unsafe {
        if flags & libc::AT_SYMLINK_NOFOLLOW == 0 {
            note(dir, path, ASK);
        } else {
            note_itself(dir, path, ASK);
        }
    }
}

/// Records the file of a time zone, which the C library reads by itself.
unsafe fn set(name: Path, value: Path) {
    // SAFETY: the caller's strings.
    unsafe {
        if !name.is_null() && core::ffi::CStr::from_ptr(name).to_bytes() == b"TZ" {
            zone(value);
        }
    }
}

/// Records the file that a value of TZ names, as tzset(3) looks for it.
///
/// # Safety
/// `value` is null or a C string.
pub unsafe fn zone(value: Path) {
    const BELOW: &core::ffi::CStr = c"/usr/share/zoneinfo";
    // SAFETY: the caller's string; the buffer is ours, and ends with a zero.
    unsafe {
        if value.is_null() {
            return;
        }
        let name = core::ffi::CStr::from_ptr(value).to_bytes();
        let name = name.strip_prefix(b":").unwrap_or(name);
        let given = libc::getenv(c"TZDIR".as_ptr());
        let below = match name.first() {
            Some(b'/') => b"",
            _ if !given.is_null() && *given != 0 => core::ffi::CStr::from_ptr(given).to_bytes(),
            _ => BELOW.to_bytes(),
        };
        let mut path = [0_u8; 1024];
        if name.is_empty() || below.len() + name.len() + 2 > path.len() {
            return;
        }
        path[..below.len()].copy_from_slice(below);
        let mut at = below.len();
        if at > 0 {
            path[at] = b'/';
            at += 1;
        }
        path[at..at + name.len()].copy_from_slice(name);
        note(AT_FDCWD, path.as_ptr().cast(), READ);
    }
}

/// A library by its path; one without a slash is looked for by the loader, which is not seen.
unsafe fn loaded(path: Path) {
    // SAFETY: the caller's path.
    unsafe {
        if !path.is_null() && core::ffi::CStr::from_ptr(path).to_bytes().contains(&b'/') {
            note(AT_FDCWD, path, READ);
        }
    }
}
