//! before_originate and after_job_finishes: the callbacks that run in the originator's place.

use std::path::Path;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded, select_biased};
use gorgon_process::Signal;
use gorgon_proto::job::Callbacks;
use gorgon_ruby::{Callback, CallbackError, CallbackReply, RubySettings, Waiting, run_callback};

/// Words in a callbacks file that may bring in a method that does not stand in it.
const OPENINGS: [&str; 11] = [
    "require_relative",
    "load",
    "eval",
    "include",
    "extend",
    "prepend",
    "define_method",
    "method_missing",
    "autoload",
    "send(",
    "const_get",
];

/// How a callback went.
#[derive(Debug)]
pub enum Ran {
    /// It returned, or is not there.
    Returned(CallbackReply),
    /// It did not return.
    Failed(CallbackError),
    /// A signal came; it was killed.
    Interrupted,
}

/// Returns whether the callbacks file may define the callback: to start Ruby costs more than to
/// read the file. In doubt it may.
fn may_define(root: &Path, callbacks: &Callbacks, callback: Callback) -> bool {
    let Some(file) = &callbacks.callbacks_class_file else {
        // The older layout has neither callback.
        return false;
    };
    match gorgon_process::patient::read(&root.join(file)) {
        Ok(bytes) => text_may_define(&String::from_utf8_lossy(&bytes), callback.name()),
        // Ruby says what is wrong with it.
        Err(_) => true,
    }
}

fn text_may_define(text: &str, name: &str) -> bool {
    if text.contains(name) || OPENINGS.iter().any(|word| text.contains(word)) {
        return true;
    }
    text.lines().map(str::trim_start).any(|line| {
        // A parent other than ours, or a file of the project: either may define it.
        let parent = line
            .strip_prefix("class ")
            .and_then(|rest| rest.split_once('<'))
            .is_some_and(|(_, parent)| !parent.trim().ends_with("DefaultCallbacks"));
        let path = line.strip_prefix("require").is_some_and(|rest| {
            !rest.trim_start_matches([' ', '(']).starts_with(['\'', '"']) || rest.contains("./")
        });
        parent || path
    })
}

/// Runs a callback; a signal ends it.
#[must_use]
pub fn run(
    settings: &RubySettings,
    callback: Callback,
    limit: Duration,
    signals: &Receiver<Signal>,
) -> Ran {
    if !may_define(&settings.directory, &settings.callbacks, callback) {
        return Ran::Returned(CallbackReply::default());
    }
    let (cancel, cancelled) = bounded::<()>(0);
    let (done, result) = bounded(1);
    let settings = settings.clone();
    let spawned = thread::Builder::new()
        .name("callback".to_owned())
        .spawn(move || {
            let waiting = Waiting {
                limit,
                cancel: cancelled,
            };
            // Nobody waits for it any more after a signal.
            let _ = done.send(run_callback(&settings, callback, &waiting));
        });
    let Ok(thread) = spawned else {
        log::error!(target: "gorgon::originator", callback:% = callback; "no thread to run it");
        return Ran::Interrupted;
    };
    let ran = select_biased! {
        recv(signals) -> _ => {
            drop(cancel);
            Ran::Interrupted
        }
        recv(result) -> result => match result {
            Ok(Ok(reply)) => Ran::Returned(reply),
            Ok(Err(error)) => Ran::Failed(error),
            Err(_) => Ran::Interrupted,
        }
    };
    // The thread kills the callback's process before it ends; a panic of it is logged by std.
    let _ = thread.join();
    ran
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ruby_is_started_only_for_a_file_that_may_define_the_callback() {
        let class =
            "require 'open4'\nclass A < Gorgon::DefaultCallbacks\n  def before_start; end\nend\n";
        let table = [
            ("", false),
            (class, false),
            ("class A < Base\nend", true),
            (
                "class A < DefaultCallbacks\ndef before_originate\nend",
                true,
            ),
            ("require './lib/base'", true),
            ("require File.join(x)", true),
            ("require_relative 'x'", true),
            ("require('open4')", false),
            ("A.class_eval { }", true),
        ];
        for (text, expected) in table {
            assert_eq!(
                text_may_define(text, "before_originate"),
                expected,
                "{text}"
            );
        }
    }
}
