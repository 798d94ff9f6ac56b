//! gorgon-worker.
