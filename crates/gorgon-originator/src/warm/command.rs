//! `warm status` and `warm stop`.

use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::time::Duration;

use gorgon_process::exit::{self, Hint};
use gorgon_ruby::warm::{self, FromKeeper, Status, ToKeeper};

use super::place::Place;
use crate::screen;

/// How long a keeper may take to answer, or to end.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// What is kept cannot be told or ended.
#[derive(Debug, thiserror::Error)]
pub enum WarmError {
    /// There is no directory for the sockets.
    #[error("find the applications that are kept")]
    Place(#[source] io::Error),
    /// It does not end.
    #[error("end the keeper at {socket}")]
    Stop {
        /// Its socket.
        socket: String,
        /// Why not.
        source: io::Error,
    },
    /// Nobody reads what we say.
    #[error(transparent)]
    Report(#[from] crate::screen::ReportError),
}

impl Hint for WarmError {}

/// Tells what is kept.
///
/// # Errors
/// When that cannot be found out.
pub fn status(as_json: bool) -> Result<u8, WarmError> {
    let place = Place::find().map_err(WarmError::Place)?;
    let found: Vec<Status> = place
        .sockets()
        .iter()
        .filter_map(|it| status_at(it))
        .collect();
    let text = match (as_json, found.is_empty()) {
        (true, _) => format!("{}\n", serde_json::json!({ "kept": found })),
        (false, true) => "nothing is kept warm\n".to_owned(),
        (false, false) => found.iter().map(line).collect(),
    };
    screen::to_stdout(&text)?;
    Ok(exit::OK)
}

fn line(status: &Status) -> String {
    let process = status
        .pid
        .map_or_else(String::new, |pid| format!(", process {pid}"));
    let megabytes = status.resident_kb / 1024;
    format!(
        "{}: {} for {:.0} of {:.0} s{process}, {megabytes} MB, {} jobs, {} paths proven in {:.0} ms\n",
        crate::report::visible::one_line(&status.project.to_string_lossy()),
        status.state,
        status.idle_s,
        status.limit_s,
        status.jobs,
        status.paths,
        status.proof_ms
    )
}

/// Ends all that is kept, also what is in use.
///
/// # Errors
/// When one does not end.
pub fn stop() -> Result<u8, WarmError> {
    let place = Place::find().map_err(WarmError::Place)?;
    let mut stopped = 0;
    for socket in place.sockets() {
        let fault = |source| WarmError::Stop {
            socket: socket.display().to_string(),
            source,
        };
        stopped += u32::from(stop_at(&socket).map_err(fault)?);
    }
    let text = match stopped {
        0 => "nothing was kept warm\n".to_owned(),
        1 => "1 application is no longer kept\n".to_owned(),
        _ => format!("{stopped} applications are no longer kept\n"),
    };
    screen::to_stdout(&text)?;
    Ok(exit::OK)
}

/// Asks one; none if nobody listens there, or in time.
pub(crate) fn status_at(socket: &Path) -> Option<Status> {
    let mut reader = ask(socket, &ToKeeper::Status).ok()??;
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    match serde_json::from_str(&line) {
        Ok(FromKeeper::Status(status)) => Some(status),
        _ => None,
    }
}

/// Ends one and waits for that; false if nobody listens there.
pub(crate) fn stop_at(socket: &Path) -> io::Result<bool> {
    let Some(mut reader) = ask(socket, &ToKeeper::Stop)? else {
        // What a killed one has left.
        let _ = std::fs::remove_file(socket);
        return Ok(false);
    };
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        line.clear();
    }
    Ok(true)
}

fn ask(
    socket: &Path,
    what: &ToKeeper,
) -> io::Result<Option<BufReader<std::os::unix::net::UnixStream>>> {
    let Ok(mut stream) = warm::connect(socket) else {
        return Ok(None);
    };
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    Ok(Some(BufReader::new(stream)))
}
