//! A file without a name, in memory: it lies nowhere and goes with the last process that holds it.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;

/// Makes one; `name` is what /proc shows.
///
/// # Errors
/// When the kernel has none (before Linux 3.17), or no memory.
pub fn create(name: &str) -> io::Result<File> {
    let name = CString::new(name)?;
    // SAFETY: the name ends with NUL and lives through the call; a non-negative result is a descriptor that is ours.
    #[expect(unsafe_code, reason = "memfd_create(2) has no safe form in std")]
    let fd = unsafe {
        let fd = libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(fd)
    };
    Ok(File::from(fd))
}

/// Returns the path by which other processes of our user open a file of ours, as long as we hold it.
#[must_use]
pub fn path_for_others(file: &impl AsRawFd) -> PathBuf {
    PathBuf::from(format!(
        "/proc/{}/fd/{}",
        std::process::id(),
        file.as_raw_fd()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn others_read_it_by_its_path() {
        let mut file = create("gorgon-test").unwrap();
        file.write_all(b"text").unwrap();
        assert_eq!(std::fs::read(path_for_others(&file)).unwrap(), b"text");
    }
}
