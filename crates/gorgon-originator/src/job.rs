//! The job: its id, its definition, and the messages that offer and cancel it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use gorgon_broker::{Consume, Declare, Publish, Setup};
use gorgon_proto::config::Secret;
use gorgon_proto::item::WorkItem;
use gorgon_proto::job::{
    Coverage, Framework, Isolation, JobDefinition, JobDefinitionTag, JobId, SCHEMA, Source,
};
use gorgon_proto::message::Control;
use gorgon_proto::{message, names, sign};
use gorgon_ruby::is_rails;

use crate::cli::StartArgs;
use crate::settings::Settings;

/// So many replies wait unacknowledged; a reply is acknowledged soon after it is in the ledger.
const REPLIES: u16 = 500;
/// The same of announcements, which are few.
const ANNOUNCEMENTS: u16 = 10;
/// So much of a file is read to guess its framework.
const PEEK_BYTES: usize = 16 * 1024;

/// The tag of every message but the work items: its confirm is of no interest.
pub const NO_TAG: u64 = u64::MAX;

/// Draws random bytes.
///
/// # Panics
/// When the system has no random source, which Linux always has.
#[must_use]
pub fn draw<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has a random source");
    bytes
}

/// Draws the id of a job.
#[must_use]
pub fn draw_id() -> JobId {
    JobId(format!("{:016x}", u64::from_be_bytes(draw())))
}

/// Draws a seed; as short as those of RSpec and Minitest.
#[must_use]
pub fn draw_seed() -> u32 {
    u32::from(u16::from_be_bytes(draw()))
}

/// A job as it is offered.
#[derive(Debug, Clone)]
pub struct Job {
    /// What listeners are told.
    pub definition: JobDefinition,
    /// The cluster that is asked, if not all.
    pub cluster: Option<String>,
    /// What the definition is signed with.
    pub secret: Option<Secret>,
}

impl Job {
    /// Returns whether small files may share a message of the file queue: not where each has a Ruby child of its own, nor
    /// where the first failure is to end the job at once.
    #[must_use]
    pub fn makes_bundles(&self, fail_fast: Option<u32>) -> bool {
        self.definition.isolation == Isolation::Worker && fail_fast.is_none()
    }

    /// Makes the message of an item, or of a bundle of them. Its tag is the number of the first one.
    #[must_use]
    pub fn queued(&self, items: &[WorkItem]) -> Publish {
        let tag = items.first().map_or(NO_TAG, |item| u64::from(item.item.0));
        let queue = &self.definition.file_queue_name;
        Publish::to_queue(queue, message::write_items(items), tag)
    }

    /// Returns the job's id.
    #[must_use]
    pub fn id(&self) -> &JobId {
        &self.definition.job
    }

    /// Returns what is declared and consumed at each connection. The file queue is not part of it:
    /// the ledger has to find out when the broker lost it.
    #[must_use]
    pub fn setup(&self, host: &str) -> Setup {
        Setup {
            role: format!("gorgon-originator {host} {}", std::process::id()),
            declare: vec![
                Declare::fanout(names::jobs_exchange(self.cluster.as_deref())),
                Declare::direct(names::CONTROL_EXCHANGE),
            ]
            .into_iter()
            .chain(self.own_queue())
            .chain(self.reply_queue())
            .chain([Declare::queue(names::mark_queue(self.id()))])
            .collect(),
            consume: vec![self.replies(), self.announcements()],
            without_confirms: true,
            ..Setup::default()
        }
    }

    /// Returns the declarations of the queue in which listeners announce themselves.
    #[must_use]
    pub fn own_queue(&self) -> Vec<Declare> {
        let originators = names::originators_exchange(self.cluster.as_deref());
        let own = names::originator_queue(self.id());
        vec![
            Declare::fanout(originators.clone()),
            // Not exclusive: after a cut link the broker would keep it locked for its old owner.
            Declare::queue(&own),
            Declare::bind(own, originators, ""),
        ]
    }

    /// Returns the mark by which the loss of all messages is seen.
    #[must_use]
    pub fn mark(&self) -> Publish {
        Publish {
            mandatory: false,
            ..Publish::to_queue(names::mark_queue(self.id()), "mark", NO_TAG)
        }
    }

    /// Returns the consumer of that queue.
    #[must_use]
    pub fn announcements(&self) -> Consume {
        Consume::many(names::originator_queue(self.id()), ANNOUNCEMENTS)
    }

    /// Returns the declarations of the reply queue, and of the exchange by which it is reached.
    #[must_use]
    pub fn reply_queue(&self) -> Vec<Declare> {
        let queue = &self.definition.reply_queue_name;
        vec![
            Declare::direct(names::REPLIES_EXCHANGE),
            Declare::queue(queue),
            Declare::bind(queue, names::REPLIES_EXCHANGE, queue),
        ]
    }

    /// Returns the consumer of the reply queue.
    #[must_use]
    pub fn replies(&self) -> Consume {
        Consume::many(self.definition.reply_queue_name.clone(), REPLIES)
    }

    /// Returns the declaration of the file queue.
    #[must_use]
    pub fn file_queue(&self) -> Declare {
        Declare::work_queue(&self.definition.file_queue_name)
    }

    /// Returns the job definition as a message to all listeners, signed for this one sending.
    #[must_use]
    pub fn offer(&self) -> Publish {
        let exchange = names::jobs_exchange(self.cluster.as_deref());
        let body = message::write(&self.definition);
        let headers = self.signature(&body);
        Publish {
            headers,
            ..Publish::to_exchange(exchange, "", body, NO_TAG)
        }
    }

    /// Returns the job definition as a message to one listener.
    #[must_use]
    pub fn offer_to(&self, queue: &str) -> Publish {
        let body = message::write(&self.definition);
        let headers = self.signature(&body);
        // The listener may be gone again.
        Publish {
            headers,
            mandatory: false,
            ..Publish::to_queue(queue, body, NO_TAG)
        }
    }

    fn signature(&self, body: &[u8]) -> BTreeMap<String, String> {
        let Some(Secret(secret)) = &self.secret else {
            return BTreeMap::new();
        };
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let signature = sign::sign(secret, draw(), now, body);
        BTreeMap::from([(sign::HEADER.to_owned(), signature)])
    }

    /// Returns the message that ends this job, and no other.
    #[must_use]
    pub fn cancel(&self) -> Publish {
        let control = Control::CancelJob {
            job: self.id().clone(),
        };
        let body = message::write(&control);
        Publish::to_exchange(names::CONTROL_EXCHANGE, self.id().0.clone(), body, NO_TAG)
    }

    /// Returns the message that tells hosts without a worker that the job is over.
    #[must_use]
    pub fn over(&self) -> Publish {
        let job = self.id().clone();
        let body = message::write(&Control::JobOver { job });
        // Every host may have left.
        Publish {
            mandatory: false,
            ..Publish::to_exchange(names::CONTROL_EXCHANGE, self.id().0.clone(), body, NO_TAG)
        }
    }

    /// Returns the message that tells the manager of this queue that an item waits for its host.
    #[must_use]
    pub fn item_waits(&self, queue: &str) -> Publish {
        let job = self.id().clone();
        let body = message::write(&Control::ItemWaits { job });
        // The manager may be gone already.
        Publish {
            mandatory: false,
            ..Publish::to_queue(queue, body, NO_TAG)
        }
    }

    /// Returns the message that sends a slot of the manager of this queue away from the job.
    #[must_use]
    pub fn leave_slot(&self, queue: &str, worker_id: u32) -> Publish {
        let job = self.id().clone();
        let body = message::write(&Control::LeaveSlot { job, worker_id });
        // The manager may be gone already.
        Publish {
            mandatory: false,
            ..Publish::to_queue(queue, body, NO_TAG)
        }
    }

    /// Returns the message that sends the manager of this queue away from the job.
    #[must_use]
    pub fn leave(&self, queue: &str) -> Publish {
        let control = Control::LeaveJob {
            job: self.id().clone(),
        };
        // The manager may be gone already.
        Publish {
            mandatory: false,
            ..Publish::to_queue(queue, message::write(&control), NO_TAG)
        }
    }
}

/// Names of files in a job definition; about 20,000 files.
const FILES_LIMIT_BYTES: usize = 1 << 20;

/// Guesses the frameworks of files by their names, and of `_test.rb` files by a glance at one.
#[must_use]
pub fn guess_frameworks(root: &Path, files: &[String]) -> Vec<Framework> {
    let is_spec = |file: &&String| file.to_ascii_lowercase().ends_with("_spec.rb");
    let specs = files.iter().filter(is_spec).count();
    let tests = files.len() - specs;
    let mut found = Vec::new();
    if specs > 0 {
        found.push((specs, Framework::Rspec));
    }
    if let Some(first) = files.iter().find(|file| !is_spec(file)) {
        let framework = if speaks_test_unit(root, first) {
            Framework::TestUnit
        } else {
            Framework::Minitest
        };
        found.push((tests, framework));
    }
    found.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    found.into_iter().map(|(_, framework)| framework).collect()
}

fn speaks_test_unit(root: &Path, file: &str) -> bool {
    let holds = |path: &Path, words: &[&str]| {
        let bytes = gorgon_process::patient::read(path).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(PEEK_BYTES)]).into_owned();
        words.iter().any(|word| text.contains(word))
    };
    let locks = ["Gemfile.lock", "gems.locked"];
    let locked = |name: &&str| holds(&root.join(name), &["\n    test-unit "]);
    locks.iter().any(locked) || holds(&root.join(file), &["test/unit", "Test::Unit", "test-unit"])
}

fn lines(files: &[String]) -> String {
    let bytes: usize = files.iter().map(|file| file.len() + 1).sum();
    if bytes > FILES_LIMIT_BYTES {
        return String::new();
    }
    files.join("\n")
}

fn coverage(asked: Option<bool>, root: &Path) -> Coverage {
    match asked {
        Some(true) => Coverage::Asked,
        None if is_rails(root) => Coverage::ByDefault,
        Some(false) | None => Coverage::Off,
    }
}

/// Makes the definition of a job that runs these files; where its source is comes later.
#[must_use]
pub fn define(
    args: &StartArgs,
    settings: &Settings,
    id: &JobId,
    seed: u32,
    files: &[String],
) -> JobDefinition {
    let config = &settings.config;
    let timeout = args.file_timeout.or(config.file_timeout);
    JobDefinition {
        kind: JobDefinitionTag::JobDefinition,
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        job: id.clone(),
        originator_host: settings.host_name(),
        project: settings.root.to_string_lossy().into_owned(),
        file_queue_name: names::file_queue(id),
        reply_queue_name: names::reply_queue(id),
        reply_exchange: names::REPLIES_EXCHANGE.to_owned(),
        items: u32::try_from(files.len()).unwrap_or(u32::MAX),
        slots: args.slots,
        sync: Source::default(),
        callbacks: config.callbacks.clone(),
        ruby: config.ruby.clone(),
        env: config.env.clone(),
        isolation: config.isolation,
        coverage: coverage(config.coverage, &settings.root),
        workspace: config.workspace,
        file_timeout_s: timeout
            .map(|limit| limit.as_secs_f64())
            .filter(|limit| *limit > 0.0),
        callback_timeout_s: config.callback_timeout.as_secs_f64(),
        seed,
        framework_options: args.framework_options.clone(),
        frameworks: guess_frameworks(&settings.root, files),
        files: lines(files),
        ways: Vec::new(),
    }
}
