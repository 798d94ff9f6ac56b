//! What the listener says on the broker.

use std::collections::BTreeMap;

use gorgon_broker::{Publish, Session};
use gorgon_proto::job::{JobId, ListenerId};
use gorgon_proto::lean::Outgoing;
use gorgon_proto::message::{
    self, Announce, Answer, HostAnswered, HostError, HostLeft, LeaveReason, PingResponse, Reply,
};
use gorgon_proto::names;

use crate::admit::ReplyTo;

/// Who speaks.
#[derive(Debug)]
pub(crate) struct Voice {
    pub(crate) host: String,
    pub(crate) id: ListenerId,
    pub(crate) queue: String,
    pub(crate) cluster: Option<String>,
    pub(crate) slots: u32,
    pub(crate) next_tag: u64,
    /// Replies by tag, until the broker has settled them.
    pub(crate) sent: BTreeMap<u64, (ReplyTo, Outgoing)>,
}

impl Voice {
    /// Tells the originator that this host is done with its job.
    pub(crate) fn report_left(
        &mut self,
        session: &Session,
        to: &ReplyTo,
        reason: LeaveReason,
        error: Option<HostError>,
    ) {
        let left = HostLeft {
            hostname: self.host.clone(),
            listener_id: self.id.clone(),
            reason,
            error,
            manager_pid: 0,
            trace: Vec::new(),
        };
        self.reply(session, to, &Reply::HostLeft(left));
    }

    /// Answers the offer of a job, and returns the tag of the message.
    pub(crate) fn answer(
        &mut self,
        session: &Session,
        to: &ReplyTo,
        answer: Answer,
        reason: String,
    ) -> u64 {
        let answered = HostAnswered {
            hostname: self.host.clone(),
            listener_id: self.id.clone(),
            slots: self.slots,
            answer,
            reason,
        };
        self.reply(session, to, &Reply::HostAnswered(answered))
    }

    /// Answers a ping.
    pub(crate) fn pong(&mut self, session: &Session, to: &ReplyTo, free: u32, jobs: Vec<JobId>) {
        let response = PingResponse {
            kind: "ping_response".to_owned(),
            hostname: self.host.clone(),
            listener_id: self.id.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            slots: self.slots,
            free,
            jobs,
        };
        self.publish(session, to, message::write(&response));
    }

    /// Tells running originators that a listener is there.
    pub(crate) fn announce(&mut self, session: &Session) {
        let announce = Announce {
            listener_queue_name: self.queue.clone(),
            hostname: self.host.clone(),
            listener_id: self.id.clone(),
        };
        let exchange = names::originators_exchange(self.cluster.as_deref());
        let tag = self.tag();
        session.publish(Publish::to_exchange(
            exchange,
            "",
            message::write(&announce),
            tag,
        ));
    }

    /// A reply to an originator that is gone goes nowhere; that is no fault of ours.
    fn reply(&mut self, session: &Session, to: &ReplyTo, reply: &Reply) -> u64 {
        let outgoing = Outgoing::new(std::slice::from_ref(reply));
        let tag = self.publish(session, to, outgoing.body());
        self.sent.insert(tag, (to.clone(), outgoing));
        tag
    }

    /// The broker has settled the message of this tag.
    pub(crate) fn settled(&mut self, tag: u64) {
        self.sent.remove(&tag);
    }

    /// The broker does not take the message of this tag for its size: a leaner one goes out.
    pub(crate) fn say_less(&mut self, session: &Session, tag: u64) {
        let Some((to, mut outgoing)) = self.sent.remove(&tag) else {
            return;
        };
        if outgoing.make_leaner() {
            session.publish(to_queue(&to, outgoing.body(), tag));
            self.sent.insert(tag, (to, outgoing));
        }
    }

    fn publish(&mut self, session: &Session, to: &ReplyTo, body: Vec<u8>) -> u64 {
        let tag = self.tag();
        session.publish(to_queue(to, body, tag));
        tag
    }

    fn tag(&mut self) -> u64 {
        self.next_tag += 1;
        self.next_tag
    }
}

fn to_queue(to: &ReplyTo, body: Vec<u8>, tag: u64) -> Publish {
    Publish {
        exchange: to.exchange.clone(),
        ..Publish::to_queue(&to.queue, body, tag)
    }
}
