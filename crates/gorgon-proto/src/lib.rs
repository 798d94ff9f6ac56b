//! The vocabulary of Gorgon: message types, work items, outcomes, names of exchanges and queues,
//! configuration (parsing and merging of text), signatures, and results as text for a person.
//!
//! Every other crate of ours imports this one; it imports none of them. It does no I/O and reads
//! no clock: text and instants are arguments.

pub mod config;
pub mod cut;
#[cfg(any(test, fuzzing))]
pub mod foreign;
pub mod hex;
pub mod ids;
pub mod item;
pub mod job;
pub mod lean;
pub mod local;
pub mod message;
pub mod names;
pub mod outcome;
pub mod shown;
pub mod sign;
pub mod text;
pub mod trace;
