//! gorgon-broker.
