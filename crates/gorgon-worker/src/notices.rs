//! What the core tells the user besides results.

use gorgon_proto::message::{HostError, Reply, SuiteHookFailed, Warning};
use gorgon_proto::outcome::FileError;
use gorgon_ruby::CallbackFailure;

use crate::event::Effect;
use crate::work::Work;

/// So many lines of a callback's backtrace are told.
const BACKTRACE_LINES: usize = 3;

impl Work {
    pub(crate) fn suite_hook_failed(
        &mut self,
        error: FileError,
        output: String,
        out: &mut Vec<Effect>,
    ) {
        let me = &self.settings.me;
        let reply = Reply::SuiteHookFailed(SuiteHookFailed {
            hostname: me.hostname.clone(),
            listener_id: me.listener_id.clone(),
            worker_id: me.worker_id,
            error,
            output,
        });
        self.publish(reply, out);
    }

    pub(crate) fn warn(&mut self, message: String, out: &mut Vec<Effect>) {
        let me = &self.settings.me;
        let reply = Reply::Warning(Warning {
            hostname: me.hostname.clone(),
            listener_id: me.listener_id.clone(),
            worker_id: Some(me.worker_id),
            message,
        });
        self.publish(reply, out);
    }
}

pub(crate) fn host_error(what: &str, message: String, output: String) -> HostError {
    HostError {
        what: what.to_owned(),
        message,
        command: String::new(),
        output,
    }
}

pub(crate) fn callback_error(failure: CallbackFailure) -> HostError {
    let mut message = match &failure.exception {
        Some(class) => format!("{class}: {}", failure.message),
        None => failure.message.clone(),
    };
    for line in failure.backtrace.iter().take(BACKTRACE_LINES) {
        message.push_str("\n  ");
        message.push_str(line);
    }
    let what = failure.what().to_owned();
    host_error(&what, message, failure.output)
}

pub(crate) fn end_of_child(message: String) -> FileError {
    FileError {
        what: "end of the Ruby child".to_owned(),
        exception: None,
        message,
        backtrace: Vec::new(),
        test: None,
    }
}
