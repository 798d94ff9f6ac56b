//! What the listener says on the broker.

use gorgon_broker::{Publish, Session};
use gorgon_proto::job::{JobId, ListenerId};
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
    pub(crate) fn pong(&mut self, session: &Session, to: &ReplyTo, jobs: Vec<JobId>) {
        let response = PingResponse {
            kind: "ping_response".to_owned(),
            hostname: self.host.clone(),
            listener_id: self.id.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            slots: self.slots,
            free: if jobs.is_empty() { self.slots } else { 0 },
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
        self.publish(session, to, message::write(reply))
    }

    fn publish(&mut self, session: &Session, to: &ReplyTo, body: Vec<u8>) -> u64 {
        let tag = self.tag();
        session.publish(Publish {
            exchange: to.exchange.clone(),
            ..Publish::to_queue(&to.queue, body, tag)
        });
        tag
    }

    fn tag(&mut self) -> u64 {
        self.next_tag += 1;
        self.next_tag
    }
}
