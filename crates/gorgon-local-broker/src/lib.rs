//! An AMQP 0-9-1 server for one machine, inside the process that needs it.
//!
//! RabbitMQ is the broker of a team; this is the broker of `gorgon-originator --local`, where nothing may have to be
//! installed or started. The border is the wire protocol, so no client can tell the two apart: where they differ,
//! RabbitMQ is right. It knows the methods that `gorgon-broker` uses and answers others with the protocol's own errors,
//! keeps all in memory, listens on loopback alone and lets in one random user.
//!
//! What it is not: a broker for a network. There is no disk, no cluster, no management, no TLS, and there will be none.
//!
//! Inside, `core` (exchanges, queues, deliveries) and `connection` (one client's channels) are pure machines over methods
//! and frames; `serve` is the one thread that owns them and waits for all sockets. One thread, not one a connection: the
//! state needs no lock, and a delivery is written by the very pass that read its publish, with no thread to wake between.
//!
//! Bounds. A client's unread output: 1 MiB of deliveries and as much of answers,
//! plus one message; who does not read is not read either. Messages in queues: 512 MiB, then publishers wait and hear
//! `connection.blocked`. One message: 128 MiB, and all that a client has begun and not ended together as much.
//! Clients: 1,024, of which 256 that have not logged in, for 10 s each. Queues: 10,000; exchanges: 1,000 of 10,000
//! bindings; consumers of a channel: 1,000.

mod connection;
mod core;
mod fault;
#[cfg(any(test, fuzzing))]
pub mod foreign;
mod frames;
mod login;
mod serve;

pub use serve::LocalBroker;
