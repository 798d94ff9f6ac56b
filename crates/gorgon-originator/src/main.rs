//! gorgon-originator.
fn main() {}
