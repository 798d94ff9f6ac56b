//! What a worker by hand prints: replies as lines of JSON, or as text for a person.

use std::io::{self, IsTerminal as _, Write as _};

use gorgon_process::terminal;
use gorgon_proto::message::{self, Reply};

use crate::cli::Format;
use crate::told::Told;
use crate::work::Interrupted;

/// Prints replies to stdout.
#[derive(Debug)]
pub struct Printer {
    /// None: as lines of JSON.
    told: Option<Told>,
}

impl Printer {
    /// Looks at what stdout is, where the command line does not say the format.
    #[must_use]
    pub fn new(format: Format) -> Self {
        let terminal = io::stdout().is_terminal();
        let told = || Told::new(terminal && terminal::wants_colour());
        let text = match format {
            Format::Auto => terminal,
            Format::Json => false,
            Format::Text => true,
        };
        Self {
            told: text.then(told),
        }
    }

    /// Returns whether it prints text for a person.
    #[must_use]
    pub fn is_for_a_person(&self) -> bool {
        self.told.is_some()
    }

    /// Prints a reply, with one write.
    ///
    /// # Errors
    /// When nobody reads our stdout any more.
    pub fn print(&mut self, reply: &Reply) -> io::Result<()> {
        match &mut self.told {
            Some(told) => write(told.reply(reply).as_bytes()),
            None => {
                let mut line = message::write(reply);
                line.push(b'\n');
                write(&line)
            }
        }
    }

    /// Prints what a cancel stopped and the files that did not run, for a person.
    ///
    /// # Errors
    /// When nobody reads our stdout any more.
    pub fn not_run(&mut self, stopped: Option<&Interrupted>, left: &[&str]) -> io::Result<()> {
        match &mut self.told {
            Some(told) => write(told.not_run(stopped, left).as_bytes()),
            None => Ok(()),
        }
    }

    /// Prints the totals, for a person.
    ///
    /// # Errors
    /// When nobody reads our stdout any more.
    pub fn end(&self) -> io::Result<()> {
        match &self.told {
            Some(told) => write(told.totals().as_bytes()),
            None => Ok(()),
        }
    }
}

fn write(text: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text)?;
    stdout.flush()
}
