//! The Ruby side of Gorgon: the embedded scripts, and the typed way to them.
//!
//! Three kinds of Ruby process are started from here. A *callback process* runs one callback
//! ([`run_callback`]): after_sync, before_originate, after_job_finishes. A *preloader*
//! ([`Preloader`]), one a host and job, loads the callbacks file, runs before_creating_workers, and
//! then listens on a Unix socket. A worker connects to that socket ([`PreloaderLink`]) and asks for
//! *Ruby children* ([`RubyChild`]), forks of the preloader, to which it hands files, one at a time.
//!
//! A preloader is the parent of its Ruby children: it alone signals and reaps them. Each connection
//! carries JSON lines; stdout and stderr of every process belong to the user's code and are kept as
//! output, never read as words of ours.
//!
//! The crate decides nothing about items, retries or deadlines, and knows no broker.

mod asked;
mod booted;
mod bundle;
mod callback;
mod child;
mod collate;
mod command;
mod defined;
mod end;
mod feed;
#[cfg(any(test, fuzzing))]
pub mod foreign;
mod kept;
mod lines;
mod link;
mod load_path;
mod preloader;
mod process;
mod protocol;
mod rails;
mod rakefile;
mod scripts;
mod settings;
pub mod warm;

pub use asked::{Told, Untold, asked_ways, rake_tells};
pub use callback::{CallbackError, CallbackReply, Waiting, run_callback};
pub use child::{ChildEvent, RubyChild};
pub use collate::{CollateError, Collated, Verdict, collate};
pub use command::{NUMBERS_VARIABLE, default_ruby};
pub use defined::may_define;
pub use end::describe_end;
pub use link::{ForkRequest, LinkError, PreloaderLink, Purpose};
pub use load_path::of_tests as test_ways;
pub use preloader::{Preloader, PreloaderEvent, RubyError};
pub use protocol::{CallbackFailure, Refusal};
pub use rails::{WrongEnvironment, check as check_environment, is_rails};
pub use rakefile::{
    Beside, RakeTest, TaskFiles, rake_test, rspec_beside, rspec_options, rspec_patterns,
};
pub use settings::{Callback, Host, RubySettings};
