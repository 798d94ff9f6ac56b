//! Keeps a known panic of the client's own thread off the user's terminal.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

/// The name that the client gives its thread.
const CLIENT_THREAD: &str = "amiquip-io";

thread_local! {
    /// Whether a panic of this thread will be caught.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Has panics in the client's threads logged instead of printed. One is known: when the broker
/// closes a connection while a channel is being opened (13 of 970 in a test). For us it is a lost
/// connection like any other. All other panics go to the hook that was there before.
pub(crate) fn hush_client_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current().name() == Some(CLIENT_THREAD) || CAUGHT.get() {
                log::debug!(target: "gorgon::broker", "the AMQP client's thread panicked: {panic}");
            } else {
                before(panic);
            }
        }));
    });
}

/// Has the client open a connection, and returns the words of a panic: it starts a thread, and panics
/// when the system gives it none (`ulimit -v`, `ulimit -u`, `TasksMax`).
pub(crate) fn catch<T>(open: impl FnOnce() -> T) -> Result<T, String> {
    CAUGHT.set(true);
    // What the closure had is dropped with it: nobody sees it half done.
    let result = catch_unwind(AssertUnwindSafe(open));
    CAUGHT.set(false);
    result.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        text.unwrap_or("the AMQP client panicked").to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_returned_in_its_words() {
        hush_client_panics();
        assert_eq!(catch(|| 1), Ok(1));
        let why = "no thread";
        let panics = || -> u32 { panic!("failed: {why}") };
        assert_eq!(catch(panics), Err("failed: no thread".to_owned()));
    }
}
