//! Where reports go: the progress to stderr, the summary to stdout, the event stream to its file.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gorgon_process::exit::Hint;

use crate::cli::{Colour, StartArgs};
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
        Colour::Auto => {
            let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            terminal && !unwanted && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
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
    pub fn summary(&mut self, text: &str) {
        self.end_bar();
        if self.stdout_taken {
            to_stderr(text);
        } else {
            to_stdout(text);
        }
    }
}

/// Writes to stderr.
pub fn to_stderr(text: &str) {
    // A closed stderr has nobody who would read.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Writes to stdout. A closed pipe is no error: who reads `head -1` has what he wants.
pub fn to_stdout(text: &str) {
    let mut stdout = io::stdout().lock();
    if stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .is_err()
    {
        log::debug!(target: "gorgon::originator", "stdout is closed");
    }
}

fn is_stdout(path: Option<&Path>) -> bool {
    path == Some(Path::new("-"))
}

/// The `--json` stream: one write an event.
#[derive(Debug)]
pub enum Stream {
    /// Not asked for, or broken.
    None,
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
            Some(path) => match File::create(path) {
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
            Self::None => {}
            Self::Stdout => to_stdout(line),
            Self::File(file, path) => {
                if let Err(error) = file.write_all(line.as_bytes()) {
                    log::error!(target: "gorgon::originator", path:% = path.display(), error:%; "the event stream ends here");
                    *self = Self::None;
                }
            }
        }
    }

    /// Returns whether anybody listens.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !matches!(self, Self::None)
    }
}

/// Looks whether a report can be written later: a mistyped path is told before the suite runs.
///
/// # Errors
/// Its directory does not exist, or it is one itself.
pub fn check_report(path: Option<&Path>) -> Result<(), ReportError> {
    let Some(path) = path.filter(|path| !is_stdout(Some(path))) else {
        return Ok(());
    };
    let fault = |kind, text: &str| {
        Err(ReportError {
            path: path.to_owned(),
            source: io::Error::new(kind, text),
        })
    };
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    if path.is_dir() {
        return fault(io::ErrorKind::IsADirectory, "it is a directory");
    }
    if directory.is_some_and(|directory| !directory.is_dir()) {
        return fault(io::ErrorKind::NotFound, "its directory does not exist");
    }
    Ok(())
}

/// Writes a whole report: beside, then renamed, so that nobody reads half of one.
///
/// # Errors
/// The file cannot be written.
pub fn write_report(path: &Path, text: &str) -> Result<(), ReportError> {
    if is_stdout(Some(path)) {
        to_stdout(text);
        return Ok(());
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let written = if path.exists() && !path.is_file() {
        // A pipe or a device is written to as it is.
        std::fs::write(path, text)
    } else {
        std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, path))
    };
    written.map_err(|source| {
        let _ = std::fs::remove_file(&beside);
        ReportError {
            path: path.to_owned(),
            source,
        }
    })
}
