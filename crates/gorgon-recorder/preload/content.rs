//! What is in a directory or a file, as one number.

use core::ffi::c_int;

use crate::layout::{self, did};
use crate::libc::{self, Statx};

/// Returns of a directory that is looked at its names, of a file that is about to be written what is in it; 0: neither.
///
/// # Safety
/// `path` is a C string.
pub unsafe fn content(path: *const u8, seen: &Statx, what: u8) -> u64 {
    let kind = seen.mode & libc::S_IFMT;
    let lists = match what {
        did::READ => kind == libc::S_IFDIR,
        // In a shared one names come and go, and it may hold any number.
        did::ASK => kind == libc::S_IFDIR && seen.mode & libc::S_ISVTX == 0,
        _ => false,
    };
    let writes = (what == did::WRITE || what == did::PUT)
        && kind == libc::S_IFREG
        && seen.size <= layout::CONTENT_BYTES;
    if !lists && !writes {
        return 0;
    }
    // SAFETY: the caller's path is a C string; the buffer is ours.
    unsafe {
        let flags = libc::O_RDONLY_NONBLOCK_CLOEXEC;
        let fd = libc::syscall(libc::OPENAT, libc::AT_FDCWD, path, flags, 0) as c_int;
        if fd < 0 {
            return 0;
        }
        let found = if lists { names(fd) } else { bytes(fd) };
        libc::close(fd);
        found
    }
}

unsafe fn names(fd: c_int) -> u64 {
    /// Where the length of an entry and its name lie, by getdents64(2).
    const LENGTH_AT: usize = 16;
    const NAME_AT: usize = 19;
    let mut all = layout::Names::NOTHING;
    let mut buffer = [0_u8; 4096];
    loop {
        // SAFETY: the kernel writes at most as many bytes as the buffer has.
        let got = unsafe { libc::syscall(libc::GETDENTS64, fd, buffer.as_mut_ptr(), buffer.len()) };
        let Ok(got) = usize::try_from(got) else {
            return 0;
        };
        if got == 0 {
            return all.number();
        }
        let mut rest = &buffer[..got];
        while rest.len() > NAME_AT {
            let length = usize::from(u16::from_ne_bytes([rest[LENGTH_AT], rest[LENGTH_AT + 1]]));
            if length <= NAME_AT || length > rest.len() {
                return 0;
            }
            let name = &rest[NAME_AT..length];
            let end = name.iter().position(|byte| *byte == 0);
            let name = &name[..end.unwrap_or(name.len())];
            if name != b"." && name != b".." {
                all.add(name);
            }
            rest = &rest[length..];
        }
    }
}

unsafe fn bytes(fd: c_int) -> u64 {
    let mut all = layout::Content::NOTHING;
    let mut buffer = [0_u8; 4096];
    loop {
        // SAFETY: the buffer is ours.
        let got = unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) };
        match usize::try_from(got) {
            Ok(0) => return all.number(),
            Ok(got) => all.add(&buffer[..got]),
            Err(_) => return 0,
        }
    }
}
