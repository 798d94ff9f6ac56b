//! The node's life: start, command, freeze, kill, start again.

use super::Certificates;
use super::config::{self, Place};
use super::installed::Installed;
use crossbeam_channel::{bounded, select};
use gorgon_process::{Child, Signal, child};
use gorgon_proto::hex;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// For a start: 1.5 s on an idle machine, 120 s seen on two cores at a load of 33.
const START_LIMIT: Duration = Duration::from_secs(300);
/// For an answer of the node.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// For a polite end: 1 to 3 s.
const STOP_LIMIT: Duration = Duration::from_secs(15);
/// Another process may take the ports between our look and the node's bind.
const TRIES: usize = 3;

/// How a node is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether it listens with TLS too, and asks for certificates there.
    pub tls: bool,
    /// How long a delivery may stay unacknowledged.
    pub consumer_timeout: Duration,
    /// Whether it can be reached on all addresses of this machine, and not on loopback alone.
    pub for_other_machines: bool,
    /// The root of the tree (`scripts/tree`) whose RabbitMQ it is; none is this machine's.
    pub tree: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            tls: false,
            consumer_timeout: Duration::from_secs(7 * 86_400),
            for_other_machines: false,
            tree: std::env::var_os("GORGON_RABBITMQ_TREE").map(PathBuf::from),
        }
    }
}

/// A private RabbitMQ node. Dropping it ends the node and removes its directory, unless the test
/// is failing: then the directory stays and is named.
#[derive(Debug)]
pub struct RabbitMq {
    place: Place,
    certificates: Option<Certificates>,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    leash: UnixStream,
}

impl RabbitMq {
    /// Starts a node; returns when it lets clients in.
    pub fn start() -> RabbitMq {
        RabbitMq::start_with(&Options::default())
    }

    /// Starts a node that is otherwise.
    pub fn start_with(options: &Options) -> RabbitMq {
        let mut said = String::new();
        for _ in 0..TRIES {
            let node = RabbitMq::prepare(options);
            match node.boot() {
                Ok(running) => {
                    *node.lock() = Some(running);
                    return node;
                }
                Err(error) => {
                    said = format!("{error}\n{}", node.log_tail());
                    node.remove();
                }
            }
        }
        panic!("RabbitMQ does not start: {said}");
    }

    fn prepare(options: &Options) -> RabbitMq {
        let directory = tempfile::Builder::new()
            .prefix("gorgon-rabbit-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir()
            .expect("make a directory for RabbitMQ")
            .keep();
        let certificates = options.tls.then(|| Certificates::make(&directory));
        let [port, tls_port, erlang_port] = free_ports();
        let place = Place {
            name: format!("gorgon-{erlang_port}"),
            user: "gorgon".to_owned(),
            password: random_hex(18),
            directory,
            port,
            tls_port,
            erlang_port,
            installed: Installed::new(options.tree.clone()),
        };
        config::write(&place, options, certificates.as_ref()).expect("write RabbitMQ's files");
        RabbitMq {
            place,
            certificates,
            running: Mutex::new(None),
        }
    }

    fn boot(&self) -> io::Result<Running> {
        let socket = self.place.directory.join("test");
        if socket.exists() {
            fs::remove_file(&socket)?;
        }
        let listener = UnixListener::bind(&socket)?;
        let log = File::options()
            .append(true)
            .create(true)
            .open(self.log_file())?;
        let mut command = config::command(&self.place);
        command.stdout(log.try_clone()?).stderr(log);
        // Not bound to this thread's life: a test's thread may start the node for all.
        let child = child::spawn(command, child::Options::default()).map_err(io::Error::other)?;
        let (ready, is_ready) = bounded(1);
        std::thread::Builder::new()
            .name("rabbit-ready".to_owned())
            .spawn(move || {
                let leash = listener.accept().and_then(|(mut leash, _)| {
                    read_packet(&mut leash)?;
                    leash.set_read_timeout(Some(ANSWER_LIMIT))?;
                    Ok(leash)
                });
                // Nobody waits any more after the limit.
                let _ = ready.send(leash);
            })?;
        select! {
            recv(is_ready) -> leash => {
                let leash = leash.map_err(io::Error::other)??;
                Ok(Running { child, leash })
            }
            recv(child.end()) -> end => Err(io::Error::other(match end {
                Ok(end) => format!("it ended with {end}"),
                Err(_) => "it ended".to_owned(),
            })),
            default(START_LIMIT) => Err(io::Error::other("it was not ready in time")),
        }
    }

    /// Returns its AMQP port.
    pub fn port(&self) -> u16 {
        self.place.port
    }

    /// Returns its AMQP port with TLS.
    pub fn tls_port(&self) -> u16 {
        self.place.tls_port
    }

    /// Has it listen on one more port with TLS and a certificate of its authority, asking for none
    /// of the client; returns the port.
    pub fn listen_as(&self, certificate: &str) -> u16 {
        let [port] = free_ports();
        let certificates = self.certificates();
        self.eval(&format!(
            "ok = rabbit_networking:start_ssl_listener({{\"127.0.0.1\", {port}}}, \
             [{{cacertfile, \"{}\"}}, {{certfile, \"{}\"}}, {{keyfile, \"{}\"}}], 1).",
            certificates.ca().display(),
            certificates.file(&format!("{certificate}.pem")).display(),
            certificates.file(&format!("{certificate}.key")).display(),
        ));
        port
    }

    /// Returns the user who may do everything.
    pub fn user(&self) -> &str {
        &self.place.user
    }

    /// Returns that user's password.
    pub fn password(&self) -> &str {
        &self.place.password
    }

    /// Returns its certificates.
    pub fn certificates(&self) -> &Certificates {
        self.certificates
            .as_ref()
            .expect("the node was started with `tls`")
    }

    /// Returns its directory.
    pub fn directory(&self) -> &Path {
        &self.place.directory
    }

    /// Evaluates Erlang in the node and returns the value as text.
    pub fn eval(&self, erlang: &str) -> String {
        let mut running = self.lock();
        let running = running.as_mut().expect("the node runs");
        let answer = write_packet(&mut running.leash, erlang.as_bytes())
            .and_then(|()| read_packet(&mut running.leash));
        let answer = answer.unwrap_or_else(|error| panic!("ask RabbitMQ {erlang}: {error}"));
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(!answer.starts_with("error:"), "{erlang} gives {answer}");
        answer
    }

    /// Freezes the node: its sockets stay open, and nothing answers. Returns when its last thread
    /// has stopped.
    pub fn freeze(&self) {
        self.signal(Signal::Stop);
        let tasks = {
            let running = self.lock();
            let pid = running.as_ref().expect("the node runs").child.pid();
            format!("/proc/{pid}/task")
        };
        let deadline = Instant::now() + ANSWER_LIMIT;
        while !all_stopped(&tasks) {
            assert!(Instant::now() < deadline, "RabbitMQ does not freeze");
            std::thread::yield_now();
        }
    }

    /// Lets a frozen node go on.
    pub fn thaw(&self) {
        self.signal(Signal::Continue);
    }

    /// Ends the node politely; what it keeps on disk stays.
    pub fn stop(&self) {
        self.end(Signal::Term);
    }

    /// Kills the node.
    pub fn kill_9(&self) {
        self.end(Signal::Kill);
    }

    /// Starts the node again after [`RabbitMq::stop`] or [`RabbitMq::kill_9`], in the same place.
    pub fn start_again(&self) {
        let running = self.boot().unwrap_or_else(|error| {
            panic!(
                "RabbitMQ does not start again: {error}\n{}",
                self.log_tail()
            )
        });
        *self.lock() = Some(running);
    }

    /// Stops the node and starts it again.
    pub fn restart(&self) {
        self.stop();
        self.start_again();
    }

    /// Keeps the directory for who looks into the failure of a test.
    pub fn keep(&self) {
        let directory = self.directory();
        // Best effort: a test is failing already.
        let _ = File::create(directory.join("keep"));
        eprintln_kept(directory);
    }

    fn signal(&self, signal: Signal) {
        let running = self.lock();
        running
            .as_ref()
            .expect("the node runs")
            .child
            .signal(signal);
    }

    fn end(&self, signal: Signal) {
        let running = self.lock().take().expect("the node runs");
        running.child.signal(signal);
        running
            .child
            .end()
            .recv_timeout(STOP_LIMIT)
            .unwrap_or_else(|_| panic!("RabbitMQ outlives {signal:?}"));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log_file(&self) -> PathBuf {
        self.place.directory.join("log/console.log")
    }

    fn log_tail(&self) -> String {
        let text = fs::read_to_string(self.log_file()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn remove(&self) {
        if let Some(running) = self.lock().take() {
            drop(running.child);
        }
        // Best effort, in a directory of temporary things.
        let _ = fs::remove_dir_all(&self.place.directory);
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.keep();
            drop(self.lock().take());
        } else {
            self.remove();
        }
    }
}

/// Returns whether every thread of a process is stopped (T in the third field, after the name).
fn all_stopped(tasks: &str) -> bool {
    let threads = fs::read_dir(tasks).expect("the node's threads");
    threads.flatten().all(|thread| {
        // A thread that has ended meanwhile is as good as stopped.
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") T ")
    })
}

#[expect(clippy::print_stderr, reason = "for who reads the failure of a test")]
fn eprintln_kept(directory: &Path) {
    eprintln!("RabbitMQ's directory is kept: {}", directory.display());
}

/// Finds ports below the ephemeral range: there a client that tries a closed port again and again
/// cannot be given that very port as its own, and connect to itself. None is given twice: its node may
/// be stopped for a while, and is to start again there.
fn free_ports<const N: usize>() -> [u16; N] {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut held = Vec::new();
    while held.len() < N {
        let mut bytes = [0; 2];
        getrandom::fill(&mut bytes).expect("the system's random source");
        let port = 20_000 + u16::from_ne_bytes(bytes) % 12_000;
        if given.insert(port)
            && let Ok(listener) = TcpListener::bind(("127.0.0.1", port))
        {
            held.push((port, listener));
        }
    }
    std::array::from_fn(|nth| held[nth].0)
}

fn random_hex(bytes: usize) -> String {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).expect("the system's random source");
    hex::encode(&random)
}

fn write_packet(socket: &mut UnixStream, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    socket.write_all(&length.to_be_bytes())?;
    socket.write_all(bytes)
}

fn read_packet(socket: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    socket.read_exact(&mut length)?;
    let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
    socket.read_exact(&mut bytes)?;
    Ok(bytes)
}
