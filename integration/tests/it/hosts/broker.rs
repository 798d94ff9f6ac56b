//! The broker of the simulation: two queues that it forgets when it restarts, and connections that
//! hold one unacknowledged item each.

use std::collections::{BTreeMap, VecDeque};

use gorgon_proto::item::WorkItem;
use gorgon_proto::message::Reply;
use gorgon_worker::event::Delivered;

/// Names a connection; none is used twice.
pub(super) type ConnectionId = u64;

/// A worker's connection, as the broker sees it.
#[derive(Debug, Default)]
pub(super) struct Connection {
    pub(super) consuming: bool,
    unacked: BTreeMap<u64, WorkItem>,
}

#[derive(Debug, Default)]
pub(super) struct Broker {
    pub(super) up: bool,
    pub(super) files: Option<VecDeque<(WorkItem, bool)>>,
    pub(super) replies: Option<VecDeque<Reply>>,
    pub(super) connections: BTreeMap<ConnectionId, Connection>,
    pub(super) deliveries: u64,
}

impl Broker {
    /// Delivers what can be delivered: one unacknowledged item a connection.
    pub(super) fn deliver(&mut self) -> Vec<(ConnectionId, Delivered)> {
        let Some(files) = &mut self.files else {
            return Vec::new();
        };
        let mut out = Vec::new();
        for (id, connection) in &mut self.connections {
            if !connection.consuming || !connection.unacked.is_empty() {
                continue;
            }
            let Some((item, redelivered)) = files.pop_front() else {
                break;
            };
            self.deliveries += 1;
            connection.unacked.insert(self.deliveries, item.clone());
            out.push((
                *id,
                Delivered {
                    delivery: self.deliveries,
                    item,
                    redelivered,
                },
            ));
        }
        out
    }

    pub(super) fn ack(&mut self, id: ConnectionId, delivery: u64) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.unacked.remove(&delivery);
        }
    }

    /// A connection has ended: what it held goes back to the head of the queue.
    pub(super) fn drop_connection(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.remove(&id)
            && let Some(files) = &mut self.files
        {
            for item in connection.unacked.into_values() {
                files.push_front((item, true));
            }
        }
    }

    /// Everything is forgotten.
    pub(super) fn stop(&mut self) {
        self.up = false;
        self.files = None;
        self.replies = None;
        self.connections.clear();
    }

    /// Deletes the file queue; returns the connections that consumed it.
    pub(super) fn delete_files(&mut self) -> Vec<ConnectionId> {
        self.files = None;
        let consuming = self.connections.iter_mut().filter(|(_, c)| c.consuming);
        consuming
            .map(|(id, connection)| {
                connection.consuming = false;
                connection.unacked.clear();
                *id
            })
            .collect()
    }
}
