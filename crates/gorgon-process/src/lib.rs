//! gorgon-process.
