//! gorgon-listener.
