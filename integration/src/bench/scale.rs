//! 100,000 files and 1,000 workers: the real originator on a RabbitMQ of its own, against 20 hosts of 50 slots that are
//! played, each worker a channel. It takes minutes, so it is run by name alone.

mod hosts;
mod meter;
pub mod wide;
mod wire;
mod workers;

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use gorgon_process::child::{self, Options};

use super::{Bench, figure::Figure};
use crate::home::Home;
use crate::project::Project;
use crate::rabbit::RabbitMq;
use crate::{binaries, processes};
use hosts::Hosts;
use meter::{Moved, Used};

/// Files, and so items.
const ITEMS: usize = 100_000;
/// Files in a directory.
const TOGETHER: usize = 200;
/// A run may take so long on a busy machine.
const LIMIT: Duration = Duration::from_secs(600);
/// How often the originator is looked at.
const LOOK: Duration = Duration::from_millis(20);
const CONFIG: &str =
    r#"{ "files": ["spec/**/*_spec.rb"], "job": { "source_tree_path": "/nowhere" } }"#;

/// What a run showed.
#[derive(Debug, Default)]
struct Seen {
    /// From the start of the process to the file queue.
    begin: Duration,
    /// From the file queue to the offer, which follows the last item.
    publish: Duration,
    /// From the offer to the word that the job is over.
    run: Duration,
    /// From that to the end of the process.
    end: Duration,
    /// What was used when the file queue was there, all items were queued, the last had ended, and at the end.
    at_queue: Used,
    at_offer: Used,
    at_over: Used,
    last: Used,
    /// What was used at quarters of the items, all of them last.
    quarters: Vec<Used>,
    /// What the broker used when the queue was there, all items were queued, and the last had ended.
    broker_at_queue: Used,
    broker_at_offer: Used,
    broker_at_over: Used,
    /// The bar.
    moved: Moved,
}

/// 100,000 files on 1,000 workers, the second time with a history and all reports.
///
/// # Errors
/// When a run fails.
pub fn rows(_: &Bench) -> Result<Vec<Figure>, String> {
    let home = Home::new();
    let project = Project::empty(&home);
    project.write("gorgon.json", CONFIG);
    for n in 0..ITEMS {
        let text = format!("# {n}\n");
        project.write(&format!("spec/d{}/f{n}_spec.rb", n / TOGETHER), &text);
    }
    let node = RabbitMq::start();
    let (json, junit) = (home.fresh("json"), home.fresh("junit"));
    let reports = format!("--json {} --junit {}", json.display(), junit.display());
    let mut rows = Vec::new();
    for (what, arguments) in [("", ""), ("history and reports: ", reports.as_str())] {
        let seen = run(&home, &project, &node, arguments)?;
        rows.extend(figures(what, &seen));
    }
    let results = fs::read_to_string(&junit).map_err(|error| error.to_string())?;
    if results.matches("<testcase ").count() != ITEMS {
        return Err("the JUnit report lacks tests".to_owned());
    }
    Ok(rows)
}

fn figures(what: &str, seen: &Seen) -> Vec<Figure> {
    let events = Hosts::events_of(ITEMS) as f64;
    let s = |time: Duration| time.as_secs_f64();
    let row =
        |name: &str, unit, value, budget| Figure::new(format!("{what}{name}"), unit, value, budget);
    let us = |cpu: f64, count: f64| cpu * 1e6 / count;
    let items = ITEMS as f64;
    let (before, queued, over) = (seen.at_queue, seen.at_offer, seen.at_over);
    let quarter = |n: usize| seen.quarters.get(n).map_or(f64::NAN, |used| used.resident);
    let rates = format!("{:.0} events/s, total", events / s(seen.run));
    let total = seen.begin + seen.publish + seen.run + seen.end;
    let quarters = format!(
        "resident at 0/25/50/75/100 %: {:.0} {:.0} {:.0} {:.0} {:.0}, peak",
        queued.resident,
        quarter(0),
        quarter(1),
        quarter(2),
        quarter(3)
    );
    vec![
        row("start to queue", "s", s(seen.begin), None),
        row("CPU of that", "s", before.cpu, None),
        row("publish 100,000 items", "s", s(seen.publish), Some(5.0)),
        row(
            "CPU of that, an item",
            "us",
            us(queued.cpu - before.cpu, items),
            None,
        ),
        row(
            "CPU of the broker for that, an item",
            "us",
            us(seen.broker_at_offer.cpu - seen.broker_at_queue.cpu, items),
            None,
        ),
        row(
            "CPU an event",
            "us",
            us(over.cpu - queued.cpu, events),
            Some(50.0),
        ),
        row(
            "CPU of the broker for that, an event",
            "us",
            us(seen.broker_at_over.cpu - seen.broker_at_offer.cpu, events),
            None,
        ),
        row("broker, resident", "MB", seen.broker_at_over.resident, None),
        row("reports and end", "s", s(seen.end), None),
        row("CPU of that", "s", seen.last.cpu - over.cpu, None),
        row(&rates, "s", s(total), None),
        row(&quarters, "MB", seen.last.peak, None),
        row(
            "growth from half of the events to all",
            "%",
            (quarter(3) / quarter(1) - 1.0) * 100.0,
            Some(10.0),
        ),
        row(
            &format!("bar: {} steps, longest pause", seen.moved.times),
            "s",
            s(seen.moved.longest),
            Some(1.5),
        ),
    ]
}

/// Runs the originator once, on a terminal.
fn run(home: &Home, project: &Project, node: &RabbitMq, arguments: &str) -> Result<Seen, String> {
    let mut hosts = Hosts::start(&node.connection())?;
    let program = binaries::path("gorgon-originator");
    let mut command = std::process::Command::new("script");
    let url = format!(
        "amqp://{}:{}@127.0.0.1:{}/%2f",
        node.user(),
        node.password(),
        node.port()
    );
    command
        .args(["-q", "-f", "-e", "-c"])
        .arg(format!("exec {} {arguments}", program.display()))
        .arg("/dev/null")
        .env_clear()
        .envs(home.environment())
        .env("TERM", "xterm")
        .env("GORGON_BROKER_URL", url)
        .current_dir(project.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let began = Instant::now();
    let mut terminal = child::spawn(command, Options::default()).map_err(|e| e.to_string())?;
    let stdout = terminal.take_stdout().ok_or("no terminal")?;
    let watcher = std::thread::Builder::new()
        .name("terminal".to_owned())
        .spawn(move || meter::watch(stdout, ITEMS))
        .map_err(|error| error.to_string())?;
    let pid = home.process("gorgon-originator").pid;
    let broker = processes::of(node.directory());
    let broker = broker.iter().find(|it| it.program == "beam.smp");
    let broker = broker.ok_or("the node has no process")?.pid;
    let mut seen = Seen::default();
    let mut queued = None;
    while processes::runs(pid) {
        hosts.pass(LOOK)?;
        let Some(used) = Used::by(pid) else { break };
        let done = hosts.done();
        if queued.is_none() && has_file_queue(node) {
            queued = Some(Instant::now());
            seen.begin = began.elapsed();
            seen.at_queue = used;
            seen.broker_at_queue = Used::by(broker).unwrap_or_default();
        }
        if hosts.offered.is_none() {
            seen.at_offer = used;
            seen.broker_at_offer = Used::by(broker).unwrap_or_default();
        }
        if done * 4 >= ITEMS * (seen.quarters.len() + 1) && seen.quarters.len() < 3 {
            seen.quarters.push(used);
        }
        if hosts.over.is_none() {
            seen.at_over = used;
            seen.broker_at_over = Used::by(broker).unwrap_or_default();
        }
        seen.last = used;
        if began.elapsed() > LIMIT {
            return Err(format!("only {done} items are done after {LIMIT:?}"));
        }
    }
    let (queued, offered, over) = match (queued, hosts.offered, hosts.over) {
        (Some(queued), Some(offered), Some(over)) => (queued, offered, over),
        _ => return Err("the job was not run".to_owned()),
    };
    seen.publish = offered - queued;
    seen.run = over - offered;
    seen.end = over.elapsed();
    seen.quarters.push(seen.at_over);
    let end = terminal
        .end()
        .recv_timeout(LIMIT)
        .map_err(|e| e.to_string())?;
    seen.moved = watcher.join().map_err(|_| "the watcher panicked")?;
    if !end.is_success() || hosts.done() != ITEMS {
        return Err(format!("{} items are done, {end}", hosts.done()));
    }
    Ok(seen)
}

/// Asks the node itself: another connection would take longer.
fn has_file_queue(node: &RabbitMq) -> bool {
    let names = node.eval(
        "[N || {resource, _, _, <<\"gorgon.files.\", _/binary>> = N} <- rabbit_amqqueue:list_names()].",
    );
    names != "[]"
}
