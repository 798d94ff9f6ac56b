//! Our processes and our children as the operating system sees them.
//!
//! Every program of Gorgon starts its children through [`child`]: each leads a process group of its
//! own, its end is an event on a channel, and what is left of its group is killed before the child
//! is reaped, for only until then does the number belong to it. **Who signals a pid is who reaps
//! it**: nothing here sends a signal to a number that came out of a message.
//!
//! This crate knows nothing of jobs, brokers or Ruby. It is the only one with `unsafe` code; what
//! the others need of libc is offered here as safe functions.

pub mod child;
pub mod command;
pub mod detached;
pub mod disk;
pub mod environment;
pub mod exit;
pub mod host;
pub mod lease;
pub mod lines;
pub mod liveness;
pub mod lock;
pub mod logging;
pub mod memory_file;
pub mod orphan;
pub mod output;
pub mod patient;
pub mod sibling;
pub mod signals;
pub mod stop;
pub mod surroundings;
pub mod terminal;

pub use child::{Child, End};
pub use signals::Signal;
