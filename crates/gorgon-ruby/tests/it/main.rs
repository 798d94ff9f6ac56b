//! The Ruby side with a real Ruby: what children and callbacks do, and what they cannot do to us.
#![expect(clippy::unwrap_used, reason = "in a test that is a failure")]

mod callbacks;
mod child;
mod crash;
mod late;
mod project;
mod rspec;
