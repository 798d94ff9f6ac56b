//! Proof of life by socket: a test file connects to the test, and waits there.
//!
//! The connection open means that the Ruby child runs; closed means that it has ended. Nothing is guessed by time.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    thread,
    time::Duration,
};

use crossbeam_channel::{Receiver, TryRecvError, unbounded};
use serde::Deserialize;

use crate::{
    home::Home,
    project::Project,
    run::{self, Run},
};

/// Where test files of one test come through.
#[derive(Debug)]
pub struct Gate {
    path: PathBuf,
    visits: Receiver<Visit>,
}

/// A test file that waits at the gate.
#[derive(Debug)]
pub struct Visit {
    /// What it said of itself.
    pub who: Who,
    stream: UnixStream,
}

/// What a test file says of itself.
#[derive(Clone, Debug, Deserialize)]
pub struct Who {
    /// The name it gave.
    pub name: String,
    /// Its process: the Ruby child.
    pub pid: u32,
    /// The child's parent: the preloader.
    pub parent: u32,
    /// `GORGON_WORKER_ID`.
    pub worker_id: String,
    /// `TEST_ENV_NUMBER`.
    pub test_env_number: String,
    /// Its working directory.
    pub directory: String,
}

impl Gate {
    /// Opens a gate.
    ///
    /// # Panics
    /// When the socket cannot be made.
    pub fn open(home: &Home) -> Self {
        let path = home.fresh("gate");
        let listener = UnixListener::bind(&path).expect("a socket in the test's home");
        #[expect(clippy::disallowed_methods, reason = "as many as the test's files")]
        let (sender, visits) = unbounded();
        let accept = move || {
            for stream in listener.incoming().flatten() {
                let mut line = String::new();
                let read = stream
                    .try_clone()
                    .map(|copy| BufReader::new(copy).read_line(&mut line));
                if let (Ok(Ok(_)), Ok(who)) = (read, serde_json::from_str(&line))
                    && sender.send(Visit { who, stream }).is_err()
                {
                    return;
                }
            }
        };
        // It ends with the test's process: nothing but that process keeps the socket.
        thread::Builder::new()
            .name("gate".into())
            .spawn(accept)
            .expect("a thread");
        Self { path, visits }
    }

    /// Writes `gate.rb` into a project: `require_relative` it, then `Gate.pass('name')` waits at the gate.
    pub fn write_into(&self, project: &Project) {
        let text = format!(
            r#"require 'socket'
require 'json'
module Gate
  def self.pass(name)
    socket = UNIXSocket.new({:?})
    socket.puts(JSON.generate(name: name, pid: Process.pid, parent: Process.ppid,
      worker_id: ENV['GORGON_WORKER_ID'].to_s, test_env_number: ENV['TEST_ENV_NUMBER'].to_s, directory: Dir.pwd))
    socket.gets or raise 'the gate was shut'
  ensure
    socket&.close
  end
end
"#,
            self.path
        );
        project.write("gate.rb", &text);
    }

    /// Waits for the next test file.
    ///
    /// # Panics
    /// When none comes.
    pub fn next(&self) -> Visit {
        self.next_within(Duration::from_secs(30))
            .unwrap_or_else(|| panic!("nobody came to the gate {}", self.path.display()))
    }

    /// Waits for the next test file; none when none comes.
    pub fn next_within(&self, limit: Duration) -> Option<Visit> {
        self.visits.recv_timeout(limit).ok()
    }

    /// Lets everybody through until the run ends, also attempts that come to the gate and are lost there.
    ///
    /// # Panics
    /// When the run does not end within its limit.
    pub fn open_until_finished(&self, run: Run) -> run::Finished {
        let (running, over) = crossbeam_channel::bounded::<()>(0);
        thread::scope(|scope| {
            scope.spawn(move || {
                while over.try_recv() != Err(TryRecvError::Disconnected) {
                    if let Some(visit) = self.next_within(Duration::from_millis(50)) {
                        visit.release();
                    }
                }
            });
            let finished = run.finished(run::RUN_LIMIT);
            drop(running);
            finished
        })
    }

    /// Asserts that nobody waits.
    ///
    /// # Panics
    /// When somebody does.
    pub fn is_empty(&self) {
        if let Ok(visit) = self.visits.try_recv() {
            panic!("{:?} came to the gate", visit.who);
        }
    }
}

impl Visit {
    /// Lets the test file go on.
    pub fn release(mut self) {
        // A file that has ended meanwhile is for the test's assertions to see.
        let _ = self.stream.write_all(b"go\n");
    }

    /// Asserts that the test file's process ends, though nobody lets it go on.
    ///
    /// # Panics
    /// When it does not.
    pub fn closed(self) {
        // What does not end it leaves it here for ever; a loaded machine takes its time.
        self.closed_within(Duration::from_secs(30));
    }

    /// Asserts that the test file's process ends within a limit.
    ///
    /// # Panics
    /// When it does not.
    pub fn closed_within(mut self, limit: Duration) {
        self.stream
            .set_read_timeout(Some(limit))
            .expect("a limit above zero");
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
            Err(_) => panic!("{:?} still runs after {limit:?}", self.who),
        }
    }
}
