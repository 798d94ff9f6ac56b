//! gorgon-ruby.
