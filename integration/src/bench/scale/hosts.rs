//! Hosts, played: they answer the offer of a job as listeners do, join as managers do, and leave when the file
//! queue is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;
use gorgon_broker::{Consume, Declare, Event, Patience, Publish, Session, Setup, Target};
use gorgon_proto::config::Connection;
use gorgon_proto::job::{JobDefinition, ListenerId};
use gorgon_proto::message::{
    self, Answer, HostAnswered, HostJoined, HostLeft, LeaveReason, Reply, ToListener,
};
use gorgon_proto::names;

use super::workers::{self, Worker};

/// Hosts.
const HOSTS: u32 = 20;
/// Slots of each.
const SLOTS: u32 = 50;
/// Connections that all their workers share.
const CONNECTIONS: usize = 50;

/// All hosts, at one session.
#[derive(Debug)]
pub(super) struct Hosts {
    session: Session,
    connection: Connection,
    ids: Vec<(String, ListenerId)>,
    job: Option<JobDefinition>,
    players: Vec<JoinHandle<Result<(), String>>>,
    /// How many items were finished, and acknowledged.
    pub(super) finished: Arc<AtomicU64>,
    /// When the offer came: every item is on the queue then.
    pub(super) offered: Option<Instant>,
    /// When the last worker heard of the end.
    pub(super) over: Option<Instant>,
}

impl Hosts {
    /// Brings them to the broker.
    pub(super) fn start(connection: &Connection) -> Result<Self, String> {
        let id = |n| (format!("host-{n:02}"), ListenerId(format!("{n:016x}")));
        let ids: Vec<_> = (1..=HOSTS).map(id).collect();
        let exchange = names::jobs_exchange(None);
        let mut setup = Setup {
            role: "gorgon bench: hosts".to_owned(),
            declare: vec![
                Declare::fanout(exchange.clone()),
                Declare::direct(names::REPLIES_EXCHANGE),
            ],
            ..Setup::default()
        };
        for (host, id) in &ids {
            let queue = names::listener_queue(host, id);
            setup.declare.push(Declare::queue(queue.clone()));
            let bound = Declare::bind(queue.clone(), exchange.clone(), "");
            setup.declare.push(bound);
            setup.consume.push(Consume::many(queue, 10));
        }
        let target = Target::from(connection);
        let session = Session::open(&target, setup, Patience::Limit(Duration::from_secs(10)))
            .map_err(|error| error.to_string())?;
        Ok(Self {
            session,
            connection: connection.clone(),
            ids,
            job: None,
            players: Vec::new(),
            finished: Arc::default(),
            offered: None,
            over: None,
        })
    }

    /// Does what is to be done within this time, and returns when it is over.
    pub(super) fn pass(&mut self, time: Duration) -> Result<(), String> {
        let until = Instant::now() + time;
        loop {
            match self.session.events().recv_deadline(until) {
                Ok(Event::Delivery(delivery)) => {
                    self.session.ack(delivery.token);
                    let read = message::read_to_listener(&delivery.body)?;
                    if let ToListener::Job(job) = read {
                        self.take(&delivery.queue, *job)?;
                    }
                }
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return Err("no broker".to_owned()),
            }
        }
        if !self.players.is_empty() && self.players.iter().all(JoinHandle::is_finished) {
            self.leave()?;
        }
        Ok(())
    }

    fn say(&self, job: &JobDefinition, reply: &Reply) {
        let body = message::write(reply);
        let (exchange, queue) = (&job.reply_exchange, &job.reply_queue_name);
        let reply = Publish::to_exchange(exchange.clone(), queue.clone(), body, 0);
        self.session.publish(reply);
    }

    /// One host takes the job; with the last one come the workers.
    fn take(&mut self, queue: &str, job: JobDefinition) -> Result<(), String> {
        self.offered.get_or_insert_with(Instant::now);
        let place = |(host, id): &(String, ListenerId)| names::listener_queue(host, id) == queue;
        let Some((hostname, listener_id)) = self.ids.iter().find(|it| place(it)).cloned() else {
            return Ok(());
        };
        self.say(
            &job,
            &Reply::HostAnswered(HostAnswered {
                hostname: hostname.clone(),
                listener_id: listener_id.clone(),
                slots: SLOTS,
                answer: Answer::Accepted,
                reason: String::new(),
            }),
        );
        let manager = names::queue_of_manager(&job.job, &listener_id, 1);
        self.session.declare(vec![Declare::queue(manager.clone())]);
        self.session.consume(Consume::many(manager.clone(), 10));
        self.say(
            &job,
            &Reply::HostJoined(HostJoined {
                hostname,
                listener_id: listener_id.clone(),
                slots: (1..=SLOTS).collect(),
                manager_queue_name: manager,
                pid: 1,
                began_ms: 1,
            }),
        );
        if self.ids.last().is_some_and(|(_, id)| *id == listener_id) {
            self.start_workers(&job)?;
        }
        self.job = Some(job);
        Ok(())
    }

    fn start_workers(&mut self, job: &JobDefinition) -> Result<(), String> {
        let workers: Vec<Worker> = self
            .ids
            .iter()
            .flat_map(|(host, listener)| {
                (1..=SLOTS).map(move |slot| Worker {
                    host: host.clone(),
                    listener: listener.clone(),
                    slot,
                    pid: 1000 + slot,
                })
            })
            .collect();
        for (nth, mine) in workers
            .chunks(workers.len().div_ceil(CONNECTIONS))
            .enumerate()
        {
            let (to, job, mine) = (self.connection.clone(), job.clone(), mine.to_vec());
            let finished = Arc::clone(&self.finished);
            let play = move || {
                workers::play(&to, &job, &mine, &finished).map_err(|error| error.to_string())
            };
            let player = std::thread::Builder::new()
                .name(format!("workers-{nth}"))
                .spawn(play);
            self.players
                .push(player.map_err(|error| error.to_string())?);
        }
        Ok(())
    }

    /// The workers have ended: so do the managers.
    fn leave(&mut self) -> Result<(), String> {
        self.over = Some(Instant::now());
        for player in self.players.drain(..) {
            let played = player.join().map_err(|_| "a player panicked".to_owned())?;
            played?;
        }
        let Some(job) = self.job.take() else {
            return Ok(());
        };
        for (hostname, listener_id) in &self.ids {
            let manager = names::queue_of_manager(&job.job, listener_id, 1);
            self.session.delete_queue(&manager);
            self.say(
                &job,
                &Reply::HostLeft(HostLeft {
                    hostname: hostname.clone(),
                    listener_id: listener_id.clone(),
                    reason: LeaveReason::Done,
                    error: None,
                    manager_pid: 0,
                    trace: Vec::new(),
                }),
            );
        }
        Ok(())
    }

    /// Returns how many messages the originator gets of so many items.
    pub(super) fn events_of(items: usize) -> usize {
        2 * items + (HOSTS * (SLOTS + 3)) as usize
    }

    /// Returns how many items have been finished.
    pub(super) fn done(&self) -> usize {
        self.finished.load(Ordering::Relaxed) as usize
    }
}
