//! A lock on a file, waited for with a limit.

use std::fs::File;
use std::io;
use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;

/// Locks a file for us alone; the lock lasts as long as what is returned.
///
/// flock(2) waits without a limit: for a process that is stopped, or for a file server that does not
/// answer. So a thread waits for us; when the lock comes too late it lets go again.
///
/// # Errors
/// When the file cannot be locked, or `TimedOut` when another process has held it until the limit.
pub fn within(file: File, limit: Duration) -> io::Result<File> {
    if file.try_lock().is_ok() {
        return Ok(file);
    }
    let (sender, locked) = bounded(1);
    thread::Builder::new()
        .name("lock".to_owned())
        .spawn(move || {
            let result = file.lock().map(|()| file);
            // Dropped, and so unlocked, when nobody waits any more.
            let _ = sender.send(result);
        })?;
    locked.recv_timeout(limit).unwrap_or_else(|_| {
        let text = format!(
            "another process has held its lock for {} s",
            limit.as_secs()
        );
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_held_is_waited_for_and_then_given_up() {
        let place = tempfile::NamedTempFile::new().unwrap();
        let open = || File::open(place.path()).unwrap();
        let held = within(open(), Duration::from_secs(5)).unwrap();
        let error = within(open(), Duration::from_millis(10)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let file = open();
        let waiting = thread::Builder::new()
            .spawn(move || within(file, Duration::from_secs(60)).map(drop))
            .unwrap();
        drop(held);
        waiting.join().unwrap().unwrap();
    }
}
