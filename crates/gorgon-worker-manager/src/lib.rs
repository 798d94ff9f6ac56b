//! gorgon-worker-manager: one job on one host.
//!
//! [`supervise`] decides, as a pure state machine over events.

pub mod deaths;
pub mod event;
pub mod lookout;
mod preloaders;
pub mod supervise;
mod workers;
