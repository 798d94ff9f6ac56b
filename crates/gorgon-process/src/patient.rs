//! Files that need not be plain ones: a named pipe without another end is not waited for without end.
//!
//! Who has secrets or settings in a pipe (`--config <(decrypt)`) has a writer at once; a pipe that
//! somebody forgot would hang open(2), and a signal that we listen to does not end that.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;
use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;

/// How long the other end of a pipe is waited for.
pub const LIMIT: Duration = Duration::from_secs(5);

/// Reads a file as a whole.
///
/// # Errors
/// When it cannot be read, or `TimedOut` when it is a pipe into which nobody writes. A writer
/// may take his time: he may ask for a passphrase.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    if may_block(path) {
        let mut bytes = Vec::new();
        open(OpenOptions::new().read(true), path)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    } else {
        fs::read(path)
    }
}

/// Reads a file as a whole, as text.
///
/// # Errors
/// As [`read`], or when it is no UTF-8.
pub fn read_to_string(path: &Path) -> io::Result<String> {
    let not_text = |_| io::Error::new(io::ErrorKind::InvalidData, "it is no UTF-8 text");
    String::from_utf8(read(path)?).map_err(not_text)
}

/// Opens a file.
///
/// # Errors
/// When it cannot be opened, or `TimedOut` when it is a pipe of which nobody has the other end.
pub fn open(options: &OpenOptions, path: &Path) -> io::Result<File> {
    if may_block(path) {
        let (options, path) = (options.clone(), path.to_owned());
        within(LIMIT, move || options.open(path))
    } else {
        options.open(path)
    }
}

/// Whether to open it could wait for somebody.
fn may_block(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir())
}

/// Has a thread wait for us. One that waits in vain goes with the process.
fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (sender, done) = bounded(1);
    thread::Builder::new()
        .name("patient".to_owned())
        .spawn(move || {
            // Nobody may wait any more.
            let _ = sender.send(work());
        })?;
    done.recv_timeout(limit).unwrap_or_else(|_| {
        let text = format!(
            "it is no plain file, and nobody was at its other end for {} s",
            limit.as_secs()
        );
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_files_directories_devices_and_missing_files_are_as_ever() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        fs::write(&file, "text").unwrap();
        assert_eq!(read(&file).unwrap(), b"text");
        assert_eq!(read(Path::new("/dev/null")).unwrap(), b"");
        assert!(open(OpenOptions::new().write(true), Path::new("/dev/null")).is_ok());
        let kind = |path: &Path| read(path).unwrap_err().kind();
        assert_eq!(kind(place.path()), io::ErrorKind::IsADirectory);
        assert_eq!(kind(&place.path().join("none")), io::ErrorKind::NotFound);
        fs::write(&file, [0xff]).unwrap();
        let error = read_to_string(&file).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn what_never_comes_is_given_up() {
        let (_never, nothing) = bounded::<()>(0);
        let wait = move || nothing.recv().map_err(io::Error::other);
        let error = within(Duration::from_millis(10), wait).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
