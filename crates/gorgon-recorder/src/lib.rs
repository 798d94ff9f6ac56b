//! What a process looked at while it booted, and the proof that a new start would see the same.
//!
//! The library in [`LIBRARY`] goes into LD_PRELOAD of the process. It writes a recording to a file without a name
//! ([`layout`]). [`Recording`] reads it, [`Proof`] keeps what was there, and names the first thing that is different
//! later. Nothing is watched, and there is no list of what to look at: what was not looked at cannot matter, and what was
//! looked at is looked at again.
//!
//! Not seen is what a process asks the kernel by itself, without the C library; what the loader looks for in vain; and
//! what comes from /proc, /sys, /dev, the clock, or the network.

pub mod layout;
mod look;
mod places;
mod proof;
mod recording;
mod stamp;

pub use look::{check, look_at, programs_tried, seal};
pub use places::Places;
pub use proof::{Difference, Proof, What};
pub use recording::{Did, Note, Recording, Started, Unusable};
pub use stamp::{Stamp, Time};

/// The library for LD_PRELOAD; empty where there is none for this system.
pub const LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/gorgon_recorder.so"));

#[cfg(test)]
mod tests;
