//! rsync: how a project's source reaches the hosts that run it.
//!
//! By default the originator serves its own directory from a private daemon ([`serve`]); with a
//! file server it pushes there ([`push`]). A listener pulls ([`pull`]) into its cache of the
//! project ([`cache`]), and makes each job's workspace ([`workspace`]) from that by local copy, or
//! from the workspace of an ended job, of which each path is proven to be as it was.
//! What rsync's quick check cannot see is found by comparing manifests ([`manifest`]).
//!
//! No shell is involved anywhere: patterns and paths are elements of argument vectors ([`args`]).
//! The callers are the originator and the listener. The only crate that runs rsync.

pub mod args;
pub mod cache;
pub mod exclude;
pub mod failure;
#[cfg(any(test, fuzzing))]
pub mod foreign;
pub mod inside;
pub mod manifest;
pub mod pull;
pub mod push;
pub mod serve;
pub mod workspace;

mod copy;
mod difference;
mod evict;
mod kept;
mod kept_paths;
mod outside;
mod owned;
mod record;
mod restore;
mod scan;
mod stamp;
mod view;
mod wildmatch;

pub use cache::Cache;
pub use exclude::Excludes;
pub use failure::SyncError;
pub use outside::originals;
pub use scan::LeftOut;
pub use serve::ServeTree;
pub use workspace::Workspace;
