//! Results as text for a person. Nothing that a test printed can drive the reader's terminal. Pure.

pub mod failure;
pub mod shell;
pub mod shorten;
pub mod visible;
