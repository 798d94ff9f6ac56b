//! Paths as programs name them, made absolute.

use core::ffi::{c_char, c_int};

use crate::libc;

/// The longest path that the kernel takes, and as much for a working directory.
pub const PATH_BYTES: usize = 8192;

/// Writes the absolute path into the buffer, followed by a zero; returns its length.
///
/// # Safety
/// `path` is a C string.
pub unsafe fn absolute(
    dirfd: c_int,
    path: *const c_char,
    buffer: &mut [u8; PATH_BYTES],
) -> Option<usize> {
    // SAFETY: the caller's path is a C string; lengths are checked.
    unsafe {
        let length = libc::strlen(path);
        let given = core::slice::from_raw_parts(path.cast::<u8>(), length);
        let mut at = 0;
        if given.first() != Some(&b'/') {
            let found = if dirfd == libc::AT_FDCWD {
                libc::syscall(libc::GETCWD, buffer.as_mut_ptr(), PATH_BYTES / 2) - 1
            } else {
                let mut link = *b"/proc/self/fd/\0\0\0\0\0\0\0\0\0\0\0\0";
                decimal(dirfd, &mut link[14..]);
                libc::syscall(
                    libc::READLINKAT,
                    libc::AT_FDCWD,
                    link.as_ptr(),
                    buffer.as_mut_ptr(),
                    PATH_BYTES / 2,
                )
            };
            at = usize::try_from(found)
                .ok()
                .filter(|found| (1..PATH_BYTES / 2).contains(found))?;
            if buffer[0] != b'/' {
                return None;
            }
            if length > 0 && at > 1 {
                buffer[at] = b'/';
                at += 1;
            }
        }
        if length >= PATH_BYTES / 2 {
            return None;
        }
        buffer[at..at + length].copy_from_slice(given);
        buffer[at + length] = 0;
        Some(at + length)
    }
}

/// Writes a number that is not negative.
pub fn decimal(number: c_int, to: &mut [u8]) {
    let mut rest = number.unsigned_abs();
    let digits = (1..10).find(|n| rest < 10_u32.pow(*n)).unwrap_or(10) as usize;
    for place in (0..digits.min(to.len() - 1)).rev() {
        to[place] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

/// Leads /proc/self/cwd/x, /dev/fd/3 and the like to where the kernel finds them. `itself`: but for the last name.
pub fn through_links_of_the_kernel(
    buffer: &mut [u8; PATH_BYTES],
    mut bytes: usize,
    itself: bool,
) -> usize {
    /// /dev/stdin leads to /proc/self/fd/0, and that to a file.
    const MOST: usize = 4;
    let mut link = [0_u8; PATH_BYTES / 2];
    for _ in 0..MOST {
        let path = &buffer[..bytes];
        if !path.starts_with(b"/proc/") && !path.starts_with(b"/dev/") {
            break;
        }
        let mut end = 1;
        let found = loop {
            if end >= bytes {
                break None;
            }
            end = buffer[end + 1..bytes]
                .iter()
                .position(|byte| *byte == b'/')
                .map_or(bytes, |at| end + 1 + at);
            if itself && end == bytes {
                break None;
            }
            let after = buffer[end];
            buffer[end] = 0;
            // SAFETY: the path ends with a zero; the room is ours.
            let got = unsafe {
                libc::syscall(
                    libc::READLINKAT,
                    libc::AT_FDCWD,
                    buffer.as_ptr(),
                    link.as_mut_ptr(),
                    link.len(),
                )
            };
            buffer[end] = after;
            match usize::try_from(got) {
                Ok(got) if got > 0 && link[0] == b'/' => break Some(got),
                _ => {}
            }
        };
        let Some(mut got) = found else { break };
        let rest = bytes - end;
        if got == 1 && rest > 0 {
            // The root: the rest begins with a slash.
            got = 0;
        }
        if got + rest >= PATH_BYTES {
            break;
        }
        buffer.copy_within(end..=bytes, got);
        buffer[..got].copy_from_slice(&link[..got]);
        bytes = got + rest;
    }
    bytes
}
