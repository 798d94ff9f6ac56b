//! gorgon-worker-manager.
