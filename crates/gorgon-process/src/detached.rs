//! A process of ours that is to outlive us: it leads a session, and holds nothing that we hold.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Starts it; returns its number, for the log. Nobody of us waits for it. Its streams are what `command` says.
///
/// # Errors
/// When it cannot be started.
pub fn spawn(mut command: Command) -> io::Result<u32> {
    let setup = || {
        // SAFETY: setsid(2) and close_range(2) are plain system calls, safe between fork and exec; nothing allocates.
        #[expect(unsafe_code, reason = "code between fork and exec")]
        unsafe {
            if libc::setsid() < 0 {
                return Err(io::Error::last_os_error());
            }
            // Of a shell, or of make: somebody may wait for their ends. Marked, not closed, as std has one of its own. A
            // kernel before 5.11 does not know it, and those stay open.
            let _ = libc::syscall(
                libc::SYS_close_range,
                3,
                u32::MAX,
                libc::CLOSE_RANGE_CLOEXEC,
            );
        }
        Ok(())
    };
    // SAFETY: the closure only makes system calls, allocates nothing and takes no lock.
    #[expect(unsafe_code, reason = "code between fork and exec")]
    unsafe {
        command.pre_exec(setup);
    }
    #[expect(clippy::disallowed_methods, reason = "this one is to outlive us")]
    let child = command.spawn()?;
    Ok(child.id())
}
