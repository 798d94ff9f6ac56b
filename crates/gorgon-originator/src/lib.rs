//! gorgon-originator.
