//! Our own environment, and what is not handed on.

use std::env;
use std::ffi::CString;

/// Takes a variable out of our environment, so that nothing that we start gets it, and returns its
/// value. To be called first in `main`, before there is a second thread.
///
/// What the system shows of us in `/proc/PID/environ`, which each process of our user may read, is
/// the memory that we were started with: there the value is overwritten.
#[must_use]
pub fn take(name: &str) -> Option<String> {
    let value = env::var(name).ok();
    wipe(name);
    // SAFETY: the caller has started no thread yet, so nobody reads the environment meanwhile.
    #[expect(
        unsafe_code,
        reason = "a change of the environment has no safe form in std"
    )]
    unsafe {
        env::remove_var(name);
    }
    value
}

/// Overwrites the value where it lies.
fn wipe(name: &str) {
    let Ok(name) = CString::new(name) else {
        return;
    };
    // SAFETY: the caller has started no thread yet, so nobody reads or changes the environment; the
    // value is ours to write, and ends with a zero.
    #[expect(unsafe_code, reason = "std has no way to the memory of a variable")]
    unsafe {
        let mut at = libc::getenv(name.as_ptr());
        while !at.is_null() && *at != 0 {
            at.write_volatile(b'x'.cast_signed());
            at = at.add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn what_was_taken_is_seen_nowhere() {
        const NAME: &str = "GORGON_TEST_TAKEN";
        let environ =
            || String::from_utf8_lossy(&std::fs::read("/proc/self/environ").unwrap()).into_owned();
        if env::var_os("GORGON_TEST_TAKE").is_some() {
            assert!(environ().contains("s3cret"));
            assert_eq!(take(NAME).as_deref(), Some("s3cret"));
            assert!(!environ().contains("s3cret"), "{}", environ());
            assert_eq!(env::var_os(NAME), None);
            assert!(env::var_os("PATH").is_some());
            assert_eq!(take("GORGON_TEST_NOT_THERE"), None);
            return;
        }
        // A process of its own, without another test beside it.
        let mut own = Command::new(env::current_exe().unwrap());
        own.args([
            "environment::tests::what_was_taken_is_seen_nowhere",
            "--exact",
        ])
        .args(["--test-threads", "1"])
        .env("GORGON_TEST_TAKE", "1")
        .env(NAME, "s3cret")
        .stdin(Stdio::null());
        let limit = std::time::Duration::from_secs(20);
        crate::command::run(own, limit, b"").unwrap();
    }
}
