//! Workers, played: channels of a few connections that take items and say what a worker says of them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gorgon_proto::config::Connection;
use gorgon_proto::item::WorkItem;
use gorgon_proto::job::{Framework, JobDefinition, ListenerId};
use gorgon_proto::message::{self, Finish, Reply, Start, WorkerEnded};
use gorgon_proto::outcome::{FinishType, Outcome, PlainRun, TestResult};

use super::wire::{Said, Wire};

/// A worker to be played.
#[derive(Debug, Clone)]
pub(super) struct Worker {
    /// Name of its host.
    pub(super) host: String,
    /// Its listener.
    pub(super) listener: ListenerId,
    /// Its slot.
    pub(super) slot: u32,
    /// The number of its process, had it one.
    pub(super) pid: u32,
}

/// What a worker is about.
#[derive(Debug, Default)]
struct Life {
    items: u32,
    published: u64,
    /// The delivery that is to be acknowledged when this number is confirmed, and how many items it has.
    held: Option<(u64, u64, u64)>,
    ended: bool,
}

/// Plays workers over one connection until the file queue is gone. Counts what was acknowledged.
pub(super) fn play(
    to: &Connection,
    job: &JobDefinition,
    workers: &[Worker],
    finished: &Arc<AtomicU64>,
) -> io::Result<()> {
    let mut wire = Wire::open(to, u16::try_from(workers.len()).map_err(io::Error::other)?)?;
    for channel in (1u16..).take(workers.len()) {
        wire.consume(channel, &job.file_queue_name)?;
    }
    let mut lives: Vec<Life> = workers.iter().map(|_| Life::default()).collect();
    let mut left = workers.len();
    while left > 0 {
        let (channel, said) = wire.next()?;
        let nth = usize::from(channel).wrapping_sub(1);
        let (Some(worker), Some(life)) = (workers.get(nth), lives.get_mut(nth)) else {
            continue;
        };
        let say = |life: &mut Life, wire: &mut Wire, reply: &Reply| {
            let body = message::write(reply);
            wire.publish(channel, &job.reply_exchange, &job.reply_queue_name, &body);
            life.published += 1;
        };
        match said {
            Said::Delivered(tag, body) => {
                let items = message::read_items(&body).map_err(io::Error::other)?;
                let both = |item| [start(worker, item), finish(worker, item)];
                let replies: Vec<Reply> = items.iter().flat_map(both).collect();
                let body = message::write_replies(&replies);
                wire.publish(channel, &job.reply_exchange, &job.reply_queue_name, &body);
                life.published += 1;
                life.held = Some((tag, life.published, items.len() as u64));
                life.items += u32::try_from(items.len()).map_err(io::Error::other)?;
            }
            Said::Confirmed(number, multiple) => {
                let arrived =
                    |(_, of, _): &(u64, u64, u64)| *of == number || (multiple && *of < number);
                if let Some((tag, _, items)) = life.held.take_if(|held| arrived(held)) {
                    wire.ack(channel, tag);
                    finished.fetch_add(items, Ordering::Relaxed);
                }
            }
            Said::Cancelled if !life.ended => {
                life.ended = true;
                left -= 1;
                let items = life.items;
                say(life, &mut wire, &ended(worker, items));
            }
            Said::Cancelled | Said::Method(..) => {}
        }
    }
    wire.close()
}

fn start(worker: &Worker, item: &WorkItem) -> Reply {
    Reply::Start(Start {
        hostname: worker.host.clone(),
        listener_id: worker.listener.clone(),
        worker_id: worker.slot,
        pid: worker.pid,
        filename: item.filename.clone(),
        item: item.item,
        attempt: item.attempt,
        retry: item.retry,
        tests: item.tests.clone(),
        manager_pid: 1,
    })
}

/// A finish such as RSpec gives, of one test.
fn finish(worker: &Worker, item: &WorkItem) -> Reply {
    let group = format!("Subject of {}", item.item);
    Reply::Finish(Box::new(Finish {
        hostname: worker.host.clone(),
        listener_id: worker.listener.clone(),
        worker_id: worker.slot,
        pid: worker.pid,
        filename: item.filename.clone(),
        item: item.item,
        attempt: item.attempt,
        retry: item.retry,
        kind: FinishType::Pass,
        runtime: 0.001_234,
        time: 0.001_1,
        runner: Some(Framework::Rspec),
        failures: Vec::new(),
        tests: vec![TestResult {
            id: "1:1".to_owned(),
            name: format!("{group} does what it is for"),
            key: None,
            group: None,
            classname: group,
            file: item.filename.clone(),
            line: 3,
            outcome: Outcome::Passed,
            seconds: 0.000_456,
            exception: None,
            message: String::new(),
            backtrace: Vec::new(),
            output: String::new(),
            rerun: None,
        }],
        errors: Vec::new(),
        output: String::new(),
        warnings: Vec::new(),
        child: 1,
        ran_before: Vec::new(),
        test_env_number: 0,
        earlier: Vec::new(),
        needs_tests: false,
        left_out: None,
        defined: None,
        divisible: true,
        plain: PlainRun::default(),
    }))
}

fn ended(worker: &Worker, items: u32) -> Reply {
    Reply::WorkerEnded(WorkerEnded {
        hostname: worker.host.clone(),
        listener_id: worker.listener.clone(),
        worker_id: worker.slot,
        pid: worker.pid,
        items,
        error: None,
        trace: Vec::new(),
    })
}
