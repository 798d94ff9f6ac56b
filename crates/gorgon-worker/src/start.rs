//! From the command line to everything that the loop needs: three ways to be started.

use std::io;
use std::os::unix::process::parent_id;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gorgon_broker::{OpenError, Target};
use gorgon_process::exit::{self, Hint};
use gorgon_process::patient;
use gorgon_proto::config::{self, ConfigError, ProjectConfig, Text};
use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::job::{Callbacks, JobDefinition, JobId, ListenerId, SCHEMA};
use gorgon_proto::names;
use gorgon_ruby::{Host, LinkError, RubySettings};
use log::warn;

use crate::cli::Args;
use crate::event::Settings;
use crate::identity::Identity;
use crate::own_preloader::OwnPreloaderError;
use crate::selection;

/// Time without an item after which a worker that was started by hand on a live queue ends.
pub const IDLE_LIMIT: Duration = Duration::from_secs(2);

/// The worker cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// What is asked for makes no sense.
    #[error("{0}")]
    Usage(String),
    /// A file cannot be read.
    #[error("read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The job definition on stdin is none.
    #[error("read the job definition from stdin")]
    Definition(#[source] serde_json::Error),
    /// The job is of another version.
    #[error("the job definition has schema {theirs}, this gorgon-worker {SCHEMA}")]
    Schema {
        /// Its schema.
        theirs: u32,
    },
    /// No broker.
    #[error(transparent)]
    Broker(#[from] OpenError),
    /// No preloader of its own.
    #[error(transparent)]
    OwnPreloader(#[from] OwnPreloaderError),
    /// The manager's preloader cannot be reached.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// Signals or threads cannot be had.
    #[error("listen to signals")]
    Signals(#[source] io::Error),
    /// The workspace is being removed.
    #[error("hold the workspace")]
    Lease(#[source] io::Error),
    /// The log cannot be written.
    #[error(transparent)]
    Log(#[from] gorgon_process::logging::LogError),
}

impl Hint for StartError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Usage(_) => Some("gorgon-worker --help shows how to use it by hand".to_owned()),
            Self::Broker(error) => error.hint(),
            Self::OwnPreloader(error) => error.hint(),
            Self::Link(error) => error.hint(),
            Self::Read { .. }
            | Self::Config(_)
            | Self::Definition(_)
            | Self::Schema { .. }
            | Self::Signals(_)
            | Self::Lease(_)
            | Self::Log(_) => None,
        }
    }

    fn exit(&self) -> u8 {
        match self {
            Self::OwnPreloader(error) => error.exit(),
            Self::Link(_) => gorgon_proto::local::WORKER_PRELOADER_LOST,
            Self::Usage(_)
            | Self::Read { .. }
            | Self::Config(_)
            | Self::Definition(_)
            | Self::Schema { .. }
            | Self::Broker(_)
            | Self::Signals(_)
            | Self::Lease(_)
            | Self::Log(_) => exit::ERROR,
        }
    }
}

/// Where the items come from.
#[derive(Debug)]
pub enum Source {
    /// The command line.
    Hand(Vec<WorkItem>),
    /// A job's file queue.
    Queue {
        /// The broker.
        target: Box<Target>,
        /// The file queue.
        file_queue: String,
        /// The exchange of replies; empty is the default one.
        reply_exchange: String,
        /// The reply queue.
        reply_queue: String,
    },
}

/// Everything that the loop needs to begin.
#[derive(Debug)]
pub struct Plan {
    /// For the core.
    pub settings: Settings,
    /// Where the items come from.
    pub from: Source,
    /// For a preloader of its own; none when a manager has one.
    pub ruby: Option<RubySettings>,
}

/// Returns who this worker is.
fn identity(args: &Args) -> Identity {
    Identity {
        hostname: args.host_name(),
        listener_id: ListenerId(args.listener_id.clone()),
        worker_id: args.worker_id,
        pid: std::process::id(),
        manager_pid: match args.preloader {
            Some(_) => parent_id(),
            None => 0,
        },
        test_env_number: args.test_env_number.unwrap_or(args.worker_id),
    }
}

/// Plans for a worker of a manager, with the job definition that it sent.
///
/// # Errors
/// When the configuration cannot be read.
pub fn managed(args: &Args, definition: &JobDefinition) -> Result<Plan, StartError> {
    if definition.schema != SCHEMA {
        return Err(StartError::Schema {
            theirs: definition.schema,
        });
    }
    let (Some(config), Some(file_queue), Some(reply_queue)) =
        (&args.config, &args.file_queue, &args.reply_queue)
    else {
        return Err(StartError::Usage(
            "--preloader needs --config, --file-queue and --reply-queue".to_owned(),
        ));
    };
    let settings = Settings {
        me: identity(args),
        isolation: definition.isolation,
        file_limit: definition.file_limit(),
        callback_limit: definition.callback_limit(),
        callbacks: !definition.callbacks.is_empty(),
        frameworks: definition.frameworks.clone(),
        queue_may_be_late: args.queue_may_be_late,
        idle_limit: None,
        holds_back: true,
    };
    let from = Source::Queue {
        target: Box::new(target(config)?),
        file_queue: file_queue.clone(),
        reply_exchange: definition.reply_exchange.clone(),
        reply_queue: reply_queue.clone(),
    };
    Ok(Plan {
        settings,
        from,
        ruby: None,
    })
}

/// Plans for a worker by hand.
///
/// # Errors
/// When a file cannot be read, or nothing is to be run.
pub fn by_hand(args: &Args) -> Result<Plan, StartError> {
    let workspace = args
        .workspace
        .canonicalize()
        .map_err(|source| StartError::Read {
            path: args.workspace.clone(),
            source,
        })?;
    let project = project(&workspace)?;
    let from = match &args.file_queue {
        Some(file_queue) => queue_by_hand(args, &project, file_queue)?,
        None => Source::Hand(items(args, &workspace)?),
    };
    let settings = Settings {
        me: identity(args),
        isolation: project.isolation,
        file_limit: project.file_timeout,
        callback_limit: project.callback_timeout,
        callbacks: project.callbacks != Callbacks::default(),
        frameworks: Vec::new(),
        queue_may_be_late: false,
        idle_limit: matches!(from, Source::Queue { .. }).then_some(IDLE_LIMIT),
        holds_back: false,
    };
    let mut ruby = RubySettings {
        ruby: project.ruby,
        callbacks: project.callbacks,
        env: project.env,
        seed: args.seed,
        options: args.options.clone(),
        job: Some(
            args.job
                .clone()
                .unwrap_or_else(|| format!("by-hand-{}", std::process::id())),
        ),
        host: Some(Host {
            name: args.host_name(),
            slots: args.worker_id,
        }),
        callback_timeout: project.callback_timeout,
        files: args.files.join("\n"),
        follow_links: matches!(from, Source::Hand(_)),
        ..RubySettings::in_place(workspace)
    };
    ruby.ways = gorgon_ruby::asked_ways(&ruby);
    Ok(Plan {
        settings,
        from,
        ruby: Some(ruby),
    })
}

fn queue_by_hand(
    args: &Args,
    project: &ProjectConfig,
    file_queue: &str,
) -> Result<Source, StartError> {
    let target = match &args.config {
        Some(path) => target(path)?,
        None => Target::from(&project.connection),
    };
    let job = file_queue
        .strip_prefix("gorgon.files.")
        .map(|job| JobId(job.to_owned()));
    let reply_queue = args
        .reply_queue
        .clone()
        .or_else(|| job.map(|job| names::reply_queue(&job)));
    let reply_queue = reply_queue.ok_or_else(|| {
        StartError::Usage(format!(
            "which queue takes the replies of {file_queue}? say it by --reply-queue"
        ))
    })?;
    Ok(Source::Queue {
        target: Box::new(target),
        file_queue: file_queue.to_owned(),
        reply_exchange: String::new(),
        reply_queue,
    })
}

fn items(args: &Args, workspace: &Path) -> Result<Vec<WorkItem>, StartError> {
    let mut names = args.files.clone();
    if let Some(path) = &args.files_from {
        let text = if path == Path::new("-") {
            io::read_to_string(io::stdin())
        } else {
            patient::read_to_string(path)
        };
        let text = text.map_err(|source| StartError::Read {
            path: path.clone(),
            source,
        })?;
        names.extend(
            text.lines()
                .filter(|line| !line.is_empty())
                .map(str::to_owned),
        );
    }
    if names.is_empty() {
        return Err(StartError::Usage(
            "nothing to run: name files by --file or --files-from".to_owned(),
        ));
    }
    let item = |(id, name): (u32, &String)| {
        selection::item(ItemId(id), name, workspace, |path| {
            workspace.join(path).exists()
        })
    };
    Ok((0..).zip(&names).map(item).collect())
}

/// The connection of a configuration file.
fn target(path: &Path) -> Result<Target, StartError> {
    let text = read(path)?.ok_or_else(|| StartError::Read {
        path: path.to_owned(),
        source: io::ErrorKind::NotFound.into(),
    })?;
    let read = config::listener::read(Text {
        file: &path.to_string_lossy(),
        text: &text,
    })?;
    Ok(Target::from(&read.config.connection))
}

/// The settings in the workspace, if there are any.
fn project(workspace: &Path) -> Result<ProjectConfig, StartError> {
    let main = read(&workspace.join("gorgon.json"))?;
    let secret = read(&workspace.join("gorgon_secret.json"))?;
    let main = main.as_deref().map(|text| Text {
        file: "gorgon.json",
        text,
    });
    let secret = secret.as_deref().map(|text| Text {
        file: "gorgon_secret.json",
        text,
    });
    let read = config::project::read(main, secret)?;
    for warning in &read.warnings {
        warn!(target: "gorgon::worker", "{warning}");
    }
    Ok(read.config)
}

fn read(path: &Path) -> Result<Option<String>, StartError> {
    match patient::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StartError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}
