//! gorgon-sync.
