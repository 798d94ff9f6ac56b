//! gorgon-worker: runs the work items of one job, one at a time, each in a Ruby child.
//!
//! [`work`] decides, as a pure state machine over events, [`run`] waits and performs. Between the
//! broker's file queue and the Ruby child stands one rule: nothing is acknowledged before what is
//! to be said of it has been confirmed.

pub mod children;
pub mod event;
pub mod guess;
mod life;
mod notices;
pub mod record;
mod said;
mod stops;
pub mod work;
