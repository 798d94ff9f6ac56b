//! Links to the broker, cut and made again, and what the broker does about each command.

use super::*;

impl World {
    pub(super) fn cut(&mut self, pid: u32) {
        if let Some(id) = self.workers[&pid].connection {
            let notice = Duration::from_millis(self.roll(2) * self.roll(NOTICE_MS));
            self.later(notice, Happen::DropConnection(id));
        }
        self.lose_link(pid);
    }

    pub(super) fn lose_link(&mut self, pid: u32) {
        if let Some(worker) = self.workers.get_mut(&pid)
            && worker.connection.take().is_some()
        {
            self.tell_worker(pid, work::Event::BrokerDown);
        }
        let after = Duration::from_millis(self.roll(5_000));
        self.later(after, Happen::Connect(pid));
    }

    pub(super) fn connect(&mut self, pid: u32) {
        let Some(worker) = self.workers.get(&pid).filter(|w| w.connection.is_none()) else {
            return;
        };
        let consume = worker.consumes;
        if !self.broker.up {
            // An attempt in vain is told, as the first loss is.
            self.tell_worker(pid, work::Event::BrokerDown);
            let after = Duration::from_millis(200 + self.roll(4_800));
            return self.later(after, Happen::Connect(pid));
        }
        let id = self.number();
        self.later(
            LATENCY,
            Happen::ToBroker(id, Command::Open { pid, consume }),
        );
        let worker = self.workers.get_mut(&pid).unwrap();
        worker.connection = Some(id);
        let again: Vec<_> = worker
            .unconfirmed
            .iter()
            .map(|(tag, reply)| (*tag, Box::new(reply.clone())))
            .collect();
        for (tag, reply) in again {
            self.later(LATENCY, Happen::ToBroker(id, Command::Publish(tag, reply)));
        }
    }

    pub(super) fn cut_ledger(&mut self) {
        if self.ledger_link.take().is_some() {
            self.tell_ledger(ledger::Event::BrokerLost);
            let after = Duration::from_millis(self.roll(5_000));
            self.later(after, Happen::ConnectLedger);
        }
    }

    pub(super) fn connect_ledger(&mut self) {
        if !self.broker.up {
            let after = Duration::from_millis(200 + self.roll(4_800));
            return self.later(after, Happen::ConnectLedger);
        }
        let link = self.number();
        self.ledger_link = Some(link);
        self.broker.replies.get_or_insert_default();
        for command in self.ledger_unconfirmed.clone() {
            self.later(LATENCY, Happen::FromLedger(link, command));
        }
        let file_queue_missing = self.broker.files.is_none();
        self.later(
            2 * LATENCY,
            Happen::Ledger(ledger::Event::BrokerBack { file_queue_missing }),
        );
        self.read_replies();
    }

    pub(super) fn command(&mut self, id: ConnectionId, command: Command) {
        if !self.broker.up {
            return;
        }
        if let Command::Open { pid, consume } = command {
            self.broker.connections.insert(id, Connection::default());
            self.later(LATENCY, Happen::ToWorker(pid, id, work::Event::BrokerUp));
            if consume {
                self.command(id, Command::Consume);
            }
            return;
        }
        if !self.broker.connections.contains_key(&id) {
            return;
        }
        let back = |event| (id, event);
        let answer = match command {
            Command::Open { .. } => None,
            Command::Publish(tag, reply) => Some(match &mut self.broker.replies {
                Some(replies) => {
                    replies.push_back(*reply);
                    back(work::Event::Confirmed(tag))
                }
                None => back(work::Event::Unroutable(tag)),
            }),
            Command::Ack(delivery) => {
                self.broker.ack(id, delivery);
                None
            }
            Command::Consume => {
                let there = self.broker.files.is_some();
                if let Some(connection) = self.broker.connections.get_mut(&id) {
                    connection.consuming = there;
                }
                (!there).then(|| back(work::Event::ConsumerEnded { missing: true }))
            }
            Command::StopConsuming => {
                if let Some(connection) = self.broker.connections.get_mut(&id) {
                    connection.consuming = false;
                }
                Some(back(work::Event::Drained))
            }
        };
        if let Some((id, event)) = answer {
            self.send_worker(id, event);
        }
        self.deliver();
        self.read_replies();
    }

    pub(super) fn send_worker(&mut self, id: ConnectionId, event: work::Event) {
        let pid = self
            .workers
            .iter()
            .find(|(_, w)| w.connection == Some(id))
            .map(|(pid, _)| *pid);
        if let Some(pid) = pid {
            self.later(LATENCY, Happen::ToWorker(pid, id, event));
        }
    }

    pub(super) fn deliver(&mut self) {
        for (id, delivered) in self.broker.deliver() {
            self.send_worker(id, work::Event::Delivered(delivered));
        }
    }

    pub(super) fn read_replies(&mut self) {
        let Some(link) = self.ledger_link else { return };
        let replies: Vec<Reply> = self
            .broker
            .replies
            .iter_mut()
            .flat_map(|queue| queue.drain(..))
            .collect();
        for reply in replies {
            self.later(LATENCY, Happen::ToLedger(link, reply));
        }
    }

    pub(super) fn ledger_command(&mut self, link: u64, command: &LedgerCommand) {
        if self.ledger_link != Some(link) || !self.broker.up {
            return;
        }
        if !self.ledger_unconfirmed.is_empty() {
            self.ledger_unconfirmed.remove(0);
        }
        match command {
            LedgerCommand::Publish(item) => match &mut self.broker.files {
                Some(files) => files.push_back((item.clone(), false)),
                None => self.tell_ledger(ledger::Event::FileQueueMissing),
            },
            LedgerCommand::Declare => {
                self.broker.files.get_or_insert_default();
            }
            LedgerCommand::Delete => {
                for id in self.broker.delete_files() {
                    self.send_worker(id, work::Event::ConsumerEnded { missing: false });
                }
            }
        }
        self.deliver();
    }
}
