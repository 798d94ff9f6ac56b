//! gorgon-worker-manager: one job on one host.
//!
//! [`supervise`] decides, as a pure state machine over events.

pub mod deaths;
pub mod lookout;
pub mod supervise;
