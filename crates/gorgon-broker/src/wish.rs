//! What the owner wants, kept across connections: pure.

use crate::window::{Fate, Settled, Window};
use crate::{Consume, Declare, Event, Publish, Token};
use crossbeam_channel::Sender;

/// What the owner asks of the session's thread.
#[derive(Debug)]
pub(crate) enum Command {
    Publish(Publish),
    PublishTogether(Vec<Publish>),
    Ack(Token),
    StopConsuming(String),
    Consume(Consume),
    Declare(Vec<Declare>),
    DeclareOnce(Declare),
    Purge(String),
    DeleteQueue(String),
    DeleteForeignQueue(String),
    /// To be answered when everything published is settled.
    Flush(Sender<()>),
    /// Publish what is left, then end.
    Close,
    /// End now.
    Abandon,
}

/// Something to be done once, at the next connection if there is none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Once {
    Declare(Declare),
    Purge(String),
    DeleteQueue(String),
    DeleteForeignQueue(String),
}

impl Once {
    /// Says what is to be done.
    pub(crate) fn what(&self) -> String {
        match self {
            Once::Declare(wish) => format!("to declare {wish:?}"),
            Once::Purge(queue) => format!("to purge {queue}"),
            Once::DeleteQueue(queue) | Once::DeleteForeignQueue(queue) => {
                format!("to delete {queue}")
            }
        }
    }
}

/// What the owner wants to be true.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    pub(crate) declare: Vec<Declare>,
    pub(crate) consume: Vec<Consume>,
    pub(crate) once: Vec<Once>,
    pub(crate) window: Window,
    /// Queues found missing as we began to consume; told after the connection stands.
    pub(crate) missing: Vec<String>,
    pub(crate) flushes: Vec<Sender<()>>,
    pub(crate) closing: bool,
    pub(crate) abandoned: bool,
}

impl Wish {
    /// Takes a command while there is no connection, and returns what the owner hears of it at once.
    pub(crate) fn absorb(&mut self, command: Command) -> Vec<Event> {
        match command {
            Command::Publish(message) => return Vec::from_iter(self.publish(message)),
            Command::PublishTogether(messages) => {
                let settled = messages.into_iter().filter_map(|it| self.publish(it));
                return settled.collect();
            }
            // Nothing is held without a connection.
            Command::Ack(_) => {}
            Command::StopConsuming(queue) => {
                self.stop_consuming(&queue);
                return vec![Event::Drained { queue }];
            }
            Command::Consume(consume) => self.consume(consume),
            Command::Declare(wishes) => wishes.into_iter().for_each(|wish| self.declare(wish)),
            Command::DeclareOnce(wish) => self.once.push(Once::Declare(wish)),
            Command::Purge(queue) => self.once.push(Once::Purge(queue)),
            Command::DeleteQueue(queue) => {
                self.forget_queue(&queue);
                self.once.push(Once::DeleteQueue(queue));
            }
            Command::DeleteForeignQueue(queue) => {
                self.once.push(Once::DeleteForeignQueue(queue));
            }
            Command::Flush(reply) => self.flushes.push(reply),
            Command::Close => self.closing = true,
            Command::Abandon => self.abandoned = true,
        }
        Vec::new()
    }

    pub(crate) fn publish(&mut self, message: Publish) -> Option<Event> {
        self.window.push(message).map(event_of)
    }

    pub(crate) fn declare(&mut self, wish: Declare) {
        if !self.declare.contains(&wish) {
            self.declare.push(wish);
        }
    }

    pub(crate) fn consume(&mut self, consume: Consume) {
        self.stop_consuming(&consume.queue);
        self.consume.push(consume);
    }

    pub(crate) fn stop_consuming(&mut self, queue: &str) {
        self.consume.retain(|consume| consume.queue != queue);
    }

    /// Wants a queue no longer.
    pub(crate) fn forget_queue(&mut self, gone: &str) {
        self.declare.retain(|wish| match wish {
            Declare::Exchange { .. } => true,
            Declare::Queue { name, .. } => name != gone,
            Declare::Bind { queue, .. } => queue != gone,
        });
    }

    /// Returns whether an exchange is one that we declare ourselves.
    pub(crate) fn knows_exchange(declare: &[Declare], exchange: &str) -> bool {
        declare.iter().any(|wish| match wish {
            Declare::Exchange { name, .. } => name == exchange,
            Declare::Queue { .. } | Declare::Bind { .. } => false,
        })
    }

    /// Answers those who wait for everything to be settled, if it is.
    pub(crate) fn answer_flushes(&mut self) {
        if self.window.is_empty() {
            for reply in self.flushes.drain(..) {
                // Who waits no longer has gone by its limit.
                let _ = reply.send(());
            }
        }
    }

    /// Returns whether there is nothing left to stay for.
    pub(crate) fn is_over(&self) -> bool {
        self.abandoned || (self.closing && self.window.is_empty() && self.once.is_empty())
    }
}

/// Tells the owner how a message ended.
pub(crate) fn event_of(settled: Settled) -> Event {
    let tag = settled.tag;
    match settled.fate {
        Fate::Routed | Fate::RoutedUnhurried => Event::Confirmed { tag },
        Fate::Unroutable => Event::Unroutable { tag },
        Fate::TooLarge => Event::TooLarge { tag },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_kept_once() {
        let mut wish = Wish::default();
        wish.absorb(Command::Declare(vec![
            Declare::queue("a"),
            Declare::fanout("x"),
        ]));
        wish.absorb(Command::Declare(vec![
            Declare::queue("a"),
            Declare::bind("a", "x", ""),
        ]));
        wish.absorb(Command::Consume(Consume::one("a")));
        wish.absorb(Command::Consume(Consume::many("a", 9)));
        assert_eq!(wish.declare.len(), 3);
        assert_eq!(wish.consume, vec![Consume::many("a", 9)]);
        wish.absorb(Command::DeleteQueue("a".into()));
        assert_eq!(wish.declare, vec![Declare::fanout("x")]);
        assert_eq!(wish.once, vec![Once::DeleteQueue("a".into())]);
        assert!(Wish::knows_exchange(&wish.declare, "x"));
        assert!(!Wish::knows_exchange(&wish.declare, "a"));
    }

    #[test]
    fn to_stop_consuming_without_a_connection_is_done_at_once() {
        let mut wish = Wish::default();
        wish.absorb(Command::Consume(Consume::one("a")));
        let told = wish.absorb(Command::StopConsuming("a".into()));
        assert_eq!(told, [Event::Drained { queue: "a".into() }]);
        assert!(wish.consume.is_empty());
    }

    #[test]
    fn it_stays_until_what_is_to_be_said_is_said() {
        let mut wish = Wish::default();
        assert!(!wish.is_over());
        wish.absorb(Command::Publish(Publish::to_queue("q", "x", 1)));
        wish.absorb(Command::Close);
        assert!(!wish.is_over());
        wish.absorb(Command::Abandon);
        assert!(wish.is_over());
    }
}
