//! Our own environment, and what is not handed on.

use std::env;

/// Takes a variable out of our environment, so that nothing that we start gets it, and returns its
/// value. To be called first in `main`, before there is a second thread.
#[must_use]
pub fn take(name: &str) -> Option<String> {
    let value = env::var(name).ok();
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
