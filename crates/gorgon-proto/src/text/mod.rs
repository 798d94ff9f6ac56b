//! Results as text for a person. Nothing that a test printed can drive the reader's terminal. Pure.

pub mod failure;
pub mod first_line;
pub mod shell;
pub mod shorten;
pub mod visible;
