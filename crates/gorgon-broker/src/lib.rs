//! The one place that knows the AMQP client: connect, reconnect, declare, consume, publish.
//!
//! Everything else speaks [`Session`]: it opens one, says what it wants declared and consumed
//! ([`Setup`]), and from then on receives [`Event`]s on an ordinary channel, beside which it can
//! wait for its signals and children. Publishing, acknowledging and the rest are commands that
//! never block the caller; a thread of the session performs them, reconnects when the connection
//! is lost, declares and consumes anew, and publishes again what no broker has confirmed.
//!
//! What it promises: publishing is *at least once* (readers drop duplicates by id); an item that
//! is not acknowledged before the connection is lost is delivered to somebody again; no call
//! waits for ever, whatever the broker or the network does; nothing polls.
//!
//! What it is not: it knows no message of Gorgon and no queue's meaning. Whether the other end is
//! RabbitMQ or the local broker it cannot tell.
//!
//! ```no_run
//! # use gorgon_broker::*;
//! # fn main() -> Result<(), OpenError> {
//! let setup = Setup {
//!     role: "gorgon example".to_owned(),
//!     declare: vec![Declare::queue("work")],
//!     consume: vec![Consume::one("work")],
//!     ..Setup::default()
//! };
//! let session = Session::open(&Target::default(), setup, Patience::Forever)?;
//! while let Ok(event) = session.events().recv() {
//!     if let Event::Delivery(delivery) = event {
//!         session.ack(delivery.token);
//!     }
//! }
//! # Ok(()) }
//! ```

mod backoff;
mod connect;
mod event;
mod first;
mod fuse;
mod greeting;
mod live;
mod look;
mod open_error;
mod quiet;
mod runner;
mod session;
mod setup;
mod target;
mod tls;
mod topology;
mod version;
mod window;
mod wish;

pub use event::{Delivery, Event, Publish, Token};
pub use look::{QueueState, look_at_queue};
pub use open_error::OpenError;
pub use session::{Patience, Session};
pub use setup::{Connections, Consume, Declare, ExchangeKind, Setup};
pub use target::{Target, Tls};
