//! gorgon-worker-manager.
fn main() {}
