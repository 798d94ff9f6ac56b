//! What holds of our readers whatever they are given. Property tests and fuzz targets call these; see `gorgon-garble`.

use std::time::Instant;

use crate::config::{ConfigError, Text, listener, project};
use crate::local::WorkerLine;
use crate::message::{self, Announce, Control, PingResponse, Reply};

/// A configuration is read, or there is one line with its place; and there are at most as many warnings as keys.
///
/// # Panics
/// When that does not hold.
pub fn config(bytes: &[u8]) {
    let lossy = String::from_utf8_lossy(bytes);
    // A second text follows a NUL: `gorgon_secret.json`.
    let (main, secret) = match lossy.split_once('\0') {
        Some((main, secret)) => (main, Some(secret)),
        None => (&*lossy, None),
    };
    let text = |file, text| Text { file, text };
    let main = text("gorgon.json", main);
    let secret = secret.map(|secret| text("gorgon_secret.json", secret));
    match project::read(Some(main), secret) {
        Ok(read) => read.warnings.iter().for_each(|warning| is_line(warning)),
        Err(error) => is_fault(&error),
    }
    match listener::read(main) {
        Ok(read) => {
            read.warnings.iter().for_each(|warning| is_line(warning));
            // An originator writes it for its own listener, a listener for its managers.
            let written = read.config.to_text();
            let again = listener::read(text("gorgon.json", &written)).expect("what we wrote");
            assert_eq!(again.config, read.config, "{written}");
            assert_eq!(again.warnings, [""; 0], "{written}");
        }
        Err(error) => is_fault(&error),
    }
}

#[track_caller]
fn is_fault(error: &ConfigError) {
    let text = error.to_string();
    is_line(&text);
    assert!(
        text.starts_with("gorgon.json:") || text.starts_with("gorgon_secret.json:"),
        "{text}"
    );
}

/// One line, short enough to be read, of which nothing can drive a terminal.
#[track_caller]
fn is_line(text: &str) {
    assert!(!text.contains(char::is_control), "{text:?}");
    assert!(text.len() < 2000, "a line of {} bytes", text.len());
}

/// A message of any kind is read or refused in one line; what was read is written and read again as the same.
///
/// # Panics
/// When that does not hold.
pub fn message(bytes: &[u8]) {
    fn several<T: PartialEq + std::fmt::Debug>(
        bytes: &[u8],
        read: impl Fn(&[u8]) -> Result<Vec<T>, String>,
        write: impl Fn(&[T]) -> Vec<u8>,
    ) {
        match read(bytes) {
            Ok(things) => assert_eq!(read(&write(&things)).as_ref(), Ok(&things)),
            Err(fault) => is_line(&fault),
        }
    }
    fn again<T: PartialEq + std::fmt::Debug + serde::Serialize>(
        bytes: &[u8],
        read: impl Fn(&[u8]) -> Result<T, String>,
    ) {
        match read(bytes) {
            Ok(message) => {
                let written = message::write(&message);
                assert_eq!(read(&written).as_ref(), Ok(&message));
            }
            Err(fault) => is_line(&fault),
        }
    }
    several::<Reply>(bytes, message::read_replies, message::write_replies);
    several(bytes, message::read_items, message::write_items);
    again(bytes, message::read_job_definition);
    again::<Control>(bytes, message::read);
    again::<PingResponse>(bytes, message::read);
    again::<Announce>(bytes, message::read);
    again::<WorkerLine>(bytes, message::read);
    if let Ok(definition) = message::read_job_definition(bytes) {
        let now = Instant::now();
        let _ = now + definition.callback_limit();
        let _ = definition.file_limit().map(|limit| now + limit);
    }
    if let Err(fault) = message::read_to_listener(bytes) {
        is_line(&fault);
    }
}

#[cfg(test)]
mod tests {
    use gorgon_garble::{Corpus, cases};

    #[test]
    fn a_configuration_is_read_or_there_is_a_line_about_it() {
        let samples = "crates/gorgon-proto/testdata/samples";
        let corpus = Corpus::read("config").and([
            "configs/gorgon.json.sample".to_owned(),
            "configs/gorgon_secret.json.sample".to_owned(),
            "configs/gorgon_listener.json.sample".to_owned(),
            "integration/fixtures/comments-and-globs/gorgon.json".to_owned(),
            format!("{samples}/dummy-mixed/gorgon.json"),
            format!("{samples}/dummy-mixed/gorgon_listener.json"),
            format!("{samples}/init-rails-2018/gorgon.json"),
            format!("{samples}/init-sample-2012/gorgon.json"),
            format!("{samples}/init-sample-2015/gorgon.json"),
            format!("{samples}/init-sample-2015/gorgon_listener.json"),
            format!("{samples}/init-sample-2015/gorgon_secret.json"),
            format!("{samples}/minimal-2012/gorgon.json"),
        ]);
        cases(corpus, 2000, super::config);
    }

    #[test]
    fn a_message_is_read_as_it_was_written_or_refused() {
        cases(Corpus::read("message"), 3000, super::message);
    }
}
