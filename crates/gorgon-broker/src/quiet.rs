//! Keeps a known panic of the client's own thread off the user's terminal.

use std::sync::Once;

/// The name that the client gives its thread.
const CLIENT_THREAD: &str = "amiquip-io";

/// Has panics in the client's threads logged instead of printed. One is known: when the broker
/// closes a connection while a channel is being opened (13 of 970 in a test). For us it is a lost
/// connection like any other. All other panics go to the hook that was there before.
pub(crate) fn hush_client_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current().name() == Some(CLIENT_THREAD) {
                log::debug!(target: "gorgon::broker", "the AMQP client's thread panicked: {panic}");
            } else {
                before(panic);
            }
        }));
    });
}
