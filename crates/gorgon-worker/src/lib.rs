//! gorgon-worker: runs the work items of one job, one at a time, each in a Ruby child.
//!
//! [`work`] decides, as a pure state machine over events; [`run`] waits and performs. Between the
//! broker's file queue and the Ruby child stands one rule: no item is acknowledged before its last
//! reply has been confirmed. The preloader, not the worker, signals and reaps the
//! children.

mod ahead;
mod broker;
mod bundle;
mod child_end;
pub mod children;
pub mod cli;
pub mod event;
pub mod guess;
pub mod hand;
pub mod identity;
pub mod idle;
pub mod leaving;
mod life;
pub mod manager;
pub mod note;
mod notices;
pub mod own_preloader;
pub mod printer;
pub mod queue;
pub mod record;
mod row;
pub mod run;
mod running;
mod said;
pub mod selection;
mod settling;
pub mod start;
mod stops;
pub mod told;
mod trace;
pub mod unconfirmed;
pub mod unsent;
pub mod work;
