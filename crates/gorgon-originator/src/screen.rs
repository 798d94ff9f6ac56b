//! Where reports go: the progress to stderr, the summary to stdout, the event stream to its file.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gorgon_process::exit::{self, Hint};
use gorgon_process::patient;
use gorgon_process::terminal::wants_colour;

use crate::cli::{Colour, StartArgs};
use crate::replace;
use crate::report::Results;
use crate::report::progress::{self, Detail};

/// Goes back to the first column and erases the line.
const ERASE: &str = "\r\u{1b}[K";

/// A report cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("write the report {}", path.display())]
pub struct ReportError {
    path: PathBuf,
    source: io::Error,
}

impl Hint for ReportError {}

impl ReportError {
    pub(crate) fn new(path: &Path, source: io::Error) -> Self {
        Self {
            path: path.to_owned(),
            source,
        }
    }
}

/// The user's terminal, or whatever stands in its place.
#[derive(Debug)]
pub struct Screen {
    detail: Detail,
    /// A bar is drawn: stderr is a terminal that can.
    bar: bool,
    bar_colour: bool,
    summary_colour: bool,
    /// The summary goes to stderr, since a report has stdout.
    stdout_taken: bool,
    bar_shown: bool,
    line_at: Instant,
    last_line: String,
}

fn colour(choice: Colour, terminal: bool) -> bool {
    match choice {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => terminal && wants_colour(),
    }
}

impl Screen {
    /// Looks at what stdout and stderr are.
    #[must_use]
    pub fn new(args: &StartArgs) -> Self {
        let taken = [&args.junit, &args.json]
            .iter()
            .any(|path| is_stdout(path.as_deref()));
        let terminal = io::stderr().is_terminal();
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let summary_terminal = if taken {
            terminal
        } else {
            io::stdout().is_terminal()
        };
        Self {
            detail: match (args.quiet, args.verbose) {
                (true, _) => Detail::Quiet,
                (_, true) => Detail::Verbose,
                _ => Detail::Normal,
            },
            bar: terminal && !dumb && !args.quiet,
            bar_colour: colour(args.color, terminal),
            summary_colour: colour(args.color, summary_terminal),
            stdout_taken: taken,
            bar_shown: false,
            line_at: Instant::now() + progress::LINE_INTERVAL,
            last_line: String::new(),
        }
    }

    /// Returns how much is told.
    #[must_use]
    pub fn detail(&self) -> Detail {
        self.detail
    }

    /// Returns whether a bar shows the progress.
    #[must_use]
    pub fn has_bar(&self) -> bool {
        self.bar
    }

    /// Returns whether the summary has colours.
    #[must_use]
    pub fn summary_colour(&self) -> bool {
        self.summary_colour
    }

    /// Says a line, above the bar.
    pub fn say(&mut self, text: &str) {
        let erase = if self.bar_shown { ERASE } else { "" };
        self.bar_shown = false;
        to_stderr(&format!("{erase}{text}\n"));
    }

    /// Says a line that `-q` leaves out.
    pub fn tell(&mut self, text: &str) {
        if self.detail > Detail::Quiet {
            self.say(text);
        }
    }

    /// Says a line that only `-v` wants.
    pub fn explain(&mut self, text: &str) {
        if self.detail == Detail::Verbose {
            self.say(text);
        }
    }

    /// Draws the progress again, where it is due.
    pub fn draw(&mut self, results: &Results, elapsed: Duration) {
        if self.bar {
            let width = terminal_size::terminal_size_of(io::stderr())
                .map_or(80, |(width, _)| usize::from(width.0));
            let bar = progress::bar(results, elapsed, width, self.bar_colour);
            self.bar_shown = true;
            to_stderr(&format!("{ERASE}{bar}"));
        } else if self.detail > Detail::Quiet && Instant::now() >= self.line_at {
            self.line_at = Instant::now() + progress::LINE_INTERVAL;
            let line = progress::line(results, elapsed);
            if line != self.last_line {
                to_stderr(&format!("{line}\n"));
                self.last_line = line;
            }
        }
    }

    /// Draws the bar as it stands at the end.
    pub fn draw_last(&mut self, results: &Results, elapsed: Duration) {
        if self.bar {
            self.draw(results, elapsed);
        }
        self.end_bar();
    }

    /// Leaves the last bar as it stands, and goes to the next line.
    pub fn end_bar(&mut self) {
        if self.bar_shown {
            self.bar_shown = false;
            to_stderr("\n");
        }
    }

    /// Writes the summary.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn summary(&mut self, text: &str) -> Result<(), ReportError> {
        self.end_bar();
        if self.stdout_taken {
            to_stderr(text);
            Ok(())
        } else {
            to_stdout(text)
        }
    }
}

/// Writes to stderr.
pub fn to_stderr(text: &str) {
    // A closed stderr has nobody who would read.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Writes to stdout. A closed pipe is no error: who reads `head -1` has what he wants.
///
/// # Errors
/// A file behind it cannot be written: its disk is full.
pub fn to_stdout(text: &str) -> Result<(), ReportError> {
    let mut stdout = io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            log::debug!(target: "gorgon::originator", "stdout is closed");
            Ok(())
        }
        written => written.map_err(|source| ReportError::new(Path::new("stdout"), source)),
    }
}

pub(crate) fn is_stdout(path: Option<&Path>) -> bool {
    path == Some(Path::new("-"))
}

/// The `--json` stream: one write an event.
#[derive(Debug)]
pub enum Stream {
    /// Not asked for.
    None,
    /// It ended early, which was told.
    Broken,
    /// stdout.
    Stdout,
    /// A file.
    File(File, PathBuf),
}

impl Stream {
    /// Opens the stream.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn open(path: Option<&Path>) -> Result<Self, ReportError> {
        match path {
            None => Ok(Self::None),
            path if is_stdout(path) => Ok(Self::Stdout),
            Some(path) => match create(path) {
                Ok(file) => Ok(Self::File(file, path.to_owned())),
                Err(source) => Err(ReportError {
                    path: path.to_owned(),
                    source,
                }),
            },
        }
    }

    /// Writes a line. A file that cannot be written to is warned of once.
    pub fn write(&mut self, line: &str) {
        match self {
            Self::None | Self::Broken => {}
            Self::Stdout => {
                if let Err(error) = to_stdout(line) {
                    self.end(&error);
                }
            }
            Self::File(file, path) => {
                if let Err(error) = file.write_all(line.as_bytes()) {
                    let error = ReportError::new(path, error);
                    self.end(&error);
                }
            }
        }
    }

    fn end(&mut self, error: &ReportError) {
        log::error!(target: "gorgon::originator", error = exit::chain(error); "the event stream ends here");
        *self = Self::Broken;
    }

    /// Returns whether events are missing.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        matches!(self, Self::Broken)
    }

    /// Returns whether anybody listens.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !matches!(self, Self::None | Self::Broken)
    }
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    patient::open(&options, path)
}

/// Writes a whole report.
///
/// # Errors
/// It cannot be written.
pub fn write_report(path: &Path, text: &str) -> Result<(), ReportError> {
    if is_stdout(Some(path)) {
        return to_stdout(text);
    }
    let written = if path.exists() && !path.is_file() {
        // A pipe or a device is written to as it is.
        create(path).and_then(|mut file| file.write_all(text.as_bytes()))
    } else {
        replace::whole(path, text.as_bytes())
    };
    written.map_err(|source| ReportError::new(path, source))
}
