//! gorgon-listener.
fn main() {}
