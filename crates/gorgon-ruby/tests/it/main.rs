//! The Ruby side with a real Ruby: what children and callbacks do, and what they cannot do to us.

mod callbacks;
mod child;
mod crash;
mod project;
mod rspec;
