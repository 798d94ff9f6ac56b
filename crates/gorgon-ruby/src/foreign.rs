//! What holds of our readers of Ruby's lines whatever they are given; see `gorgon-garble`.

use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use crossbeam_channel::bounded;

use crate::lines::{Read, read};
use crate::protocol::{FromBoot, FromChild};

/// What Ruby says is read line by line; a line that is none is passed over, and the end comes once, last.
///
/// # Panics
/// When that does not hold.
pub fn ruby_lines(bytes: &[u8]) {
    through::<FromChild>(bytes);
    through::<FromBoot>(bytes);
}

fn through<T: serde::de::DeserializeOwned + Send + 'static>(bytes: &[u8]) {
    let (mut ruby, ours) = UnixStream::pair().expect("a pair of sockets");
    let (sender, events) = bounded(16);
    read::<T>(ours, "lines", move |line, _| sender.send(line).is_ok()).expect("a thread");
    let most = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
    let mut lines = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            ruby.write_all(bytes).expect("somebody reads");
            ruby.shutdown(Shutdown::Write)
                .expect("the end of the stream");
        });
        while let Read::Line(..) | Read::Unread(_) = events.recv().expect("the end is told") {
            lines += 1;
        }
        assert!(events.recv().is_err(), "something came after the end");
    });
    assert!(lines <= most, "{lines} of {most}");
}

#[cfg(test)]
mod tests {
    use gorgon_garble::{Corpus, cases};

    #[test]
    fn the_lines_of_ruby_are_read_or_passed_over_to_their_end() {
        cases(Corpus::read("ruby-line"), 2000, super::ruby_lines);
    }

    #[test]
    fn each_line_that_was_recorded_is_understood() {
        for input in Corpus::read("ruby-line").inputs() {
            for line in input
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
            {
                let child = serde_json::from_slice::<super::FromChild>(line);
                let boot = serde_json::from_slice::<super::FromBoot>(line);
                assert!(
                    child.is_ok() || boot.is_ok(),
                    "{}",
                    String::from_utf8_lossy(line)
                );
            }
        }
    }
}
