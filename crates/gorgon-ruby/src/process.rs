//! The process of a preloader: a child of ours, or a fork of what a keeper keeps.

use crossbeam_channel::{Receiver, never};
use gorgon_process::child::{Child, End};
use gorgon_process::signals::Signal;
use std::os::unix::net::UnixStream;

use crate::warm::Joined;

/// A running preloader's process. Dropped, it is killed.
#[derive(Debug)]
pub(crate) enum Process {
    /// Started by us.
    Own(Child),
    /// Forked for us.
    Joined(Joined),
}

impl Process {
    /// Its number, if it is ours.
    pub(crate) fn pid(&self) -> u32 {
        match self {
            Self::Own(child) => child.pid(),
            Self::Joined(_) => 0,
        }
    }

    /// Where its end arrives, once.
    pub(crate) fn end(&self) -> Receiver<End> {
        match self {
            Self::Own(child) => child.end().clone(),
            Self::Joined(joined) => joined.end.clone(),
        }
    }

    pub(crate) fn signal_group(&self, signal: Signal) {
        match self {
            Self::Own(child) => child.signal_group(signal),
            Self::Joined(joined) => joined.signal_group(signal),
        }
    }

    /// Where its connection arrives, if it makes one.
    pub(crate) fn streams(&self) -> Receiver<UnixStream> {
        match self {
            Self::Own(_) => never(),
            Self::Joined(joined) => joined.streams.clone(),
        }
    }

    /// Where it arrives that it is not to be had.
    pub(crate) fn declined(&self) -> Receiver<String> {
        match self {
            Self::Own(_) => never(),
            Self::Joined(joined) => joined.declined.clone(),
        }
    }
}
