//! What std lacks about files: room on the disk, shared blocks, times of links, umask.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Returns how many bytes we may still write on the filesystem that holds `path`.
///
/// # Errors
/// When `path` does not exist.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let path = c_path(path)?;
    let mut stat = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `path` ends with NUL and `stat` is room for one statvfs; both live through the call.
    #[expect(unsafe_code, reason = "statvfs(3) has no safe form in std")]
    let stat = unsafe {
        if libc::statvfs(path.as_ptr(), stat.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        // statvfs returned 0: it has filled the structure.
        stat.assume_init()
    };
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Lets `to`, which must be empty, share all blocks of `from` until one of them is written to.
///
/// # Errors
/// When the filesystem cannot (most can't), or they lie on different ones: then copy.
pub fn reflink(from: &File, to: &File) -> io::Result<()> {
    // SAFETY: both descriptors are open for as long as the borrowed files live; FICLONE takes the
    // number of a descriptor, no pointer.
    #[expect(unsafe_code, reason = "ioctl(FICLONE) has no safe form in std")]
    let result = unsafe { libc::ioctl(to.as_raw_fd(), libc::FICLONE, from.as_raw_fd()) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Copies the content of `from` to `to`, which must be empty; what is a hole there is one here.
///
/// # Errors
/// When it cannot be read or written.
pub fn copy_data(from: &File, to: &File) -> io::Result<()> {
    let size = from.metadata()?.len();
    to.set_len(size)?;
    let (mut source, mut target) = (from, to);
    let mut at = 0;
    while let Some(begin) = seek(from, at, libc::SEEK_DATA)? {
        // The end of a file is a hole too, so there always is one.
        let end = seek(from, begin, libc::SEEK_HOLE)?.unwrap_or(size);
        source.seek(SeekFrom::Start(begin))?;
        target.seek(SeekFrom::Start(begin))?;
        // copy_file_range(2) inside: the bytes do not come through us.
        io::copy(&mut source.take(end - begin), &mut target)?;
        at = end;
    }
    Ok(())
}

/// Returns where the next data or hole begins; none when nothing comes any more.
fn seek(file: &File, from: u64, what: libc::c_int) -> io::Result<Option<u64>> {
    let from = libc::off_t::try_from(from).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open for as long as the borrowed file lives; no pointer is passed.
    #[expect(unsafe_code, reason = "lseek(SEEK_DATA) has no safe form in std")]
    let place = unsafe { libc::lseek(file.as_raw_fd(), from, what) };
    match u64::try_from(place) {
        Ok(place) => Ok(Some(place)),
        Err(_) => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ENXIO) => Ok(None),
            error => Err(error),
        },
    }
}

/// Sets the modification time of `path` itself, also when it is a symbolic link.
///
/// # Errors
/// When it does not exist or is not ours.
pub fn set_modified(path: &Path, secs: i64, nanos: u32) -> io::Result<()> {
    let path = c_path(path)?;
    let times = [
        libc::timespec {
            tv_sec: 0,
            tv_nsec: libc::UTIME_OMIT,
        },
        libc::timespec {
            tv_sec: secs,
            tv_nsec: i64::from(nanos),
        },
    ];
    // SAFETY: `path` ends with NUL, `times` holds two entries as utimensat(2) wants; both live
    // through the call.
    #[expect(
        unsafe_code,
        reason = "utimensat(2) for a link has no safe form in std"
    )]
    let result = unsafe {
        libc::utimensat(
            libc::AT_FDCWD,
            path.as_ptr(),
            times.as_ptr(),
            libc::AT_SYMLINK_NOFOLLOW,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Returns whether `path` itself has extended attributes: access rights beyond its mode, or what
/// users put there. The kernel's own security labels, which every file may have, do not count.
///
/// # Errors
/// When it does not exist.
pub fn has_attributes(path: &Path) -> io::Result<bool> {
    let path = c_path(path)?;
    // The names, each ended by NUL; the kernel limits them all together.
    let mut names = [0_u8; 65_536];
    // SAFETY: `path` ends with NUL, `names` is as large as is said; both live through the call.
    #[expect(unsafe_code, reason = "llistxattr(2) has no form in std")]
    let length = unsafe { libc::llistxattr(path.as_ptr(), names.as_mut_ptr().cast(), names.len()) };
    match usize::try_from(length) {
        Ok(length) => {
            let names = names
                .get(..length)
                .unwrap_or_default()
                .split(|byte| *byte == 0);
            Ok(names
                .into_iter()
                .any(|name| !name.is_empty() && !name.starts_with(b"security.")))
        }
        Err(_) => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ENOTSUP) => Ok(false),
            error => Err(error),
        },
    }
}

/// Makes a named pipe.
///
/// # Errors
/// When something of that name exists, or the directory cannot be written.
pub fn make_fifo(path: &Path, mode: u32) -> io::Result<()> {
    let path = c_path(path)?;
    // SAFETY: `path` ends with NUL and lives through the call.
    #[expect(unsafe_code, reason = "mkfifo(3) has no safe form in std")]
    let result = unsafe { libc::mkfifo(path.as_ptr(), mode) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Sets the umask of this process, and returns the one before.
pub fn set_umask(mask: u32) -> u32 {
    // SAFETY: umask(2) cannot fail and touches no memory of ours.
    #[expect(unsafe_code, reason = "umask(2) has no safe form in std")]
    unsafe {
        libc::umask(mask)
    }
}

/// Returns the number of the user we run as.
#[must_use]
pub fn user_id() -> u32 {
    // SAFETY: geteuid(2) cannot fail and touches no memory of ours.
    #[expect(unsafe_code, reason = "geteuid(2) has no safe form in std")]
    unsafe {
        libc::geteuid()
    }
}

/// Returns the number of the group we run as.
#[must_use]
pub fn group_id() -> u32 {
    // SAFETY: getegid(2) cannot fail and touches no memory of ours.
    #[expect(unsafe_code, reason = "getegid(2) has no safe form in std")]
    unsafe {
        libc::getegid()
    }
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};

    use super::*;

    #[test]
    fn the_root_has_room_and_nowhere_has_none() {
        assert!(free_bytes(Path::new("/")).unwrap() > 0);
        assert!(free_bytes(Path::new("/nowhere/at/all")).is_err());
    }

    #[test]
    fn a_link_gets_its_own_time() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        symlink("missing", &link).unwrap();
        set_modified(&link, 1_000_000_000, 123).unwrap();
        let meta = fs::symlink_metadata(&link).unwrap();
        assert_eq!((meta.mtime(), meta.mtime_nsec()), (1_000_000_000, 123));
    }

    #[test]
    fn attributes_of_users_are_seen() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!has_attributes(dir.path()).unwrap());
        let path = c_path(dir.path()).unwrap();
        let (name, value) = (c"user.colour", b"red");
        // SAFETY: both strings end with NUL, the value is as long as is said; all live through the call.
        #[expect(unsafe_code, reason = "setxattr(2) has no form in std")]
        let set = unsafe {
            let value = value.as_ptr().cast();
            libc::setxattr(path.as_ptr(), name.as_ptr(), value, 3, 0)
        };
        // A filesystem without them has none.
        assert_eq!(has_attributes(dir.path()).unwrap(), set == 0);
        assert!(has_attributes(Path::new("/nowhere/at/all")).is_err());
    }

    #[test]
    fn a_reflink_shares_the_content_or_says_that_it_cannot() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("from"), "content").unwrap();
        let from = File::open(dir.path().join("from")).unwrap();
        let to = File::create(dir.path().join("to")).unwrap();
        match reflink(&from, &to) {
            Ok(()) => assert_eq!(fs::read(dir.path().join("to")).unwrap(), b"content"),
            Err(_) => assert_eq!(fs::read(dir.path().join("to")).unwrap(), b""),
        }
    }

    #[test]
    fn holes_stay_holes_and_all_bytes_come() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        for (at, size) in [(0, 3), (5 << 20, 5 << 20), (5 << 20, 9 << 20), (0, 9 << 20)] {
            let file = File::create(&from).unwrap();
            std::os::unix::fs::FileExt::write_all_at(&file, b"end", at).unwrap();
            file.set_len(size + 3).unwrap();
            copy_data(&File::open(&from).unwrap(), &File::create(&to).unwrap()).unwrap();
            assert!(
                fs::read(&to).unwrap() == fs::read(&from).unwrap(),
                "{at} {size}"
            );
            assert!(fs::metadata(&to).unwrap().blocks() <= fs::metadata(&from).unwrap().blocks());
        }
    }

    #[test]
    fn a_fifo_is_one() {
        let dir = tempfile::tempdir().unwrap();
        make_fifo(&dir.path().join("pipe"), 0o600).unwrap();
        assert!(
            fs::metadata(dir.path().join("pipe"))
                .unwrap()
                .file_type()
                .is_fifo()
        );
    }
}
