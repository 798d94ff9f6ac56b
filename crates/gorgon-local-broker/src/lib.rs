//! gorgon-local-broker.
