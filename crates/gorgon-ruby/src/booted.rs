//! A started `boot.rb`: its process, its lines, what it prints.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};
use gorgon_process::child::{self, End, Options};
use gorgon_process::signals::Signal;
use gorgon_proto::job::Way;

use crate::kept::Kept;
use crate::lines::{self, Read, line_of};
use crate::load_path;
use crate::preloader::{KILLED, RubyError};
use crate::process::Process;
use crate::protocol::{Boot, FromBoot, Mode};
use crate::rails;
use crate::scripts;
use crate::settings::{Callback, RubySettings};
use crate::warm::{Wanted, join};

/// A started `boot.rb`, whose stdin is a socket for lines in both directions.
pub(crate) struct Booted {
    pub(crate) child: Process,
    pub(crate) lines: Receiver<FromBoot>,
    pub(crate) kept: Kept,
    stream: Option<UnixStream>,
    /// The first line to one that has not connected yet.
    boot: Option<Vec<u8>>,
}

impl Booted {
    pub(crate) fn start(
        settings: &RubySettings,
        mode: Mode,
        socket: Option<&Path>,
        callback: Option<Callback>,
    ) -> Result<Self, RubyError> {
        let scripts = scripts::unpack().map_err(RubyError::Unpack)?;
        if let Err(source) = std::fs::read_dir(&settings.directory) {
            let directory = settings.directory.display().to_string();
            return Err(RubyError::Directory { directory, source });
        }
        let mut command = crate::command::ruby(settings, &scripts.join("boot.rb"));
        let (ours, theirs) = UnixStream::pair().map_err(RubyError::Connect)?;
        let (kept, writer) = Kept::pipe().map_err(RubyError::Connect)?;
        command
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(writer.try_clone().map_err(RubyError::Connect)?)
            .stderr(writer);
        let child = child::spawn(
            command,
            Options {
                parent_death: Some(Signal::Kill),
                session: true,
            },
        )?;
        let boot = boot_line(settings, mode, socket, callback);
        let reading = ours.try_clone().map_err(RubyError::Connect)?;
        // A slow owner makes Ruby wait, which harms nobody.
        let (sender, lines) = bounded(64);
        lines::read(reading, "ruby lines", move |read, _| match read {
            Read::Line(line, _) => sender.send(line).is_ok(),
            Read::Unread(_) => true,
            Read::End => false,
        })
        .map_err(RubyError::Connect)?;
        let mut booted = Self {
            child: Process::Own(child),
            lines,
            kept,
            stream: Some(ours),
            boot: None,
        };
        booted.write(&boot);
        Ok(booted)
    }

    pub(crate) fn join(
        settings: &RubySettings,
        socket: &Path,
        keeper: &Path,
    ) -> Result<Self, RubyError> {
        let scripts = scripts::unpack().map_err(RubyError::Unpack)?;
        let (kept, writer) = Kept::pipe().map_err(RubyError::Connect)?;
        let loaded = line_of(&Boot {
            // What is loaded does not depend on these, and they change from job to job.
            frameworks: &[],
            files: "",
            options: &[],
            seed: 0,
            ways: &[],
            adopter: None,
            ..boot(settings, Mode::Keep, &[], None, None)
        });
        let loaded = String::from_utf8_lossy(&loaded).trim_end().to_owned();
        let wanted = Wanted::of(settings, &scripts.join("boot.rb"), loaded)
            .ok_or_else(|| RubyError::Connect(io::ErrorKind::InvalidData.into()))?;
        let name = socket.file_name().unwrap_or_default().to_string_lossy();
        let owner = socket.with_file_name(format!("{name}.owner"));
        let job = settings.job.clone().unwrap_or_default();
        let joined = join(keeper, owner, wanted, writer, &job).map_err(RubyError::Connect)?;
        let mut boot = boot_line(settings, Mode::Preload, Some(socket), None);
        boot.shrink_to_fit();
        Ok(Self {
            lines: joined.lines.clone(),
            child: Process::Joined(joined),
            kept,
            stream: None,
            boot: Some(boot),
        })
    }

    /// It has connected.
    pub(crate) fn meet(&mut self, stream: UnixStream) {
        self.stream = Some(stream);
        if let Some(boot) = self.boot.take() {
            self.write(&boot);
        }
    }

    pub(crate) fn tell(&mut self, line: &impl serde::Serialize) {
        self.write(&line_of(line));
    }

    fn write(&mut self, line: &[u8]) {
        if let Some(stream) = &mut self.stream {
            // A Ruby that has ended says so by its end.
            let _ = stream.write_all(line);
        }
    }

    pub(crate) fn hang_up(&mut self) {
        match self.stream.take() {
            Some(stream) => {
                let _ = stream.shutdown(std::net::Shutdown::Write);
            }
            // One that has not connected yet cannot be told.
            None if self.boot.is_some() => self.child.signal_group(Signal::Kill),
            None => {}
        }
    }

    /// Kills it and returns what was printed.
    pub(crate) fn kill(self) -> String {
        let Self { child, kept, .. } = self;
        drop(child);
        kept.finish()
    }

    /// Waits for the end, kills it after `limit`, and returns how it ended and what it printed.
    pub(crate) fn finish(mut self, limit: Duration) -> (End, String) {
        self.hang_up();
        let end = self
            .child
            .end()
            .recv_deadline(Instant::now() + limit)
            .unwrap_or(KILLED);
        (end, self.kill())
    }
}

fn boot_line(
    settings: &RubySettings,
    mode: Mode,
    socket: Option<&Path>,
    callback: Option<Callback>,
) -> Vec<u8> {
    // If the configuration says how Ruby starts, it also sets the load path.
    let ways = match (mode, &settings.ruby) {
        (Mode::Preload, None) if settings.ways.is_empty() => {
            load_path::of_tests(&settings.directory)
        }
        (Mode::Preload, None) => settings.ways.clone(),
        _ => Vec::new(),
    };
    let socket = socket.map(|path| path.to_string_lossy());
    line_of(&boot(settings, mode, &ways, socket.as_deref(), callback))
}

fn boot<'a>(
    settings: &'a RubySettings,
    mode: Mode,
    ways: &'a [Way],
    socket: Option<&'a str>,
    callback: Option<Callback>,
) -> Boot<'a> {
    Boot {
        mode,
        ways,
        callbacks: &settings.callbacks,
        frameworks: &settings.frameworks,
        files: &settings.files,
        rails: rails::is_ours(settings),
        coverage: settings.coverage,
        options: &settings.options,
        seed: settings.seed,
        env: &settings.env,
        follow_links: settings.follow_links,
        socket,
        callback,
        adopter: settings.adopts.then(std::process::id),
    }
}
