//! Which offers may run here: of this version, signed where that is asked for, and with names that
//! can stand on a command line and in a path.

use gorgon_proto::job::{JobDefinition, JobId, SCHEMA, SourceKind};
use gorgon_proto::message;
use gorgon_proto::names;
use gorgon_proto::shown::shown;
use gorgon_proto::sign::{self, ReplayMemory};
use serde::Deserialize;

/// What becomes of an offer.
#[derive(Debug, Clone, PartialEq)]
pub enum Admission {
    /// It may run.
    Admitted(Box<JobDefinition>),
    /// It may not, and its originator is told why.
    Refused {
        /// The job.
        job: JobId,
        /// Where the refusal goes.
        to: ReplyTo,
        /// Why, for the user.
        reason: String,
    },
    /// It is no offer of an originator of ours.
    Malformed(String),
}

/// Where an answer goes: only by the exchange of replies, or by the default one to a plain name.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplyTo {
    /// The exchange.
    pub exchange: String,
    /// The queue, which is the routing key.
    pub queue: String,
}

impl ReplyTo {
    /// Takes what a message says; none for what no originator of ours would say.
    #[must_use]
    pub fn new(exchange: &str, queue: &str) -> Option<Self> {
        let known = exchange.is_empty() || exchange == names::REPLIES_EXCHANGE;
        (known && is_plain(queue)).then(|| Self {
            exchange: exchange.to_owned(),
            queue: queue.to_owned(),
        })
    }

    /// Returns where the answers to an admitted job go.
    #[must_use]
    pub fn of(job: &JobDefinition) -> Self {
        Self {
            exchange: job.reply_exchange.clone(),
            queue: job.reply_queue_name.clone(),
        }
    }
}

/// What this host asks of an offer.
#[derive(Debug)]
pub struct Gate {
    secret: Option<String>,
    in_place: bool,
    memory: ReplayMemory,
}

/// What any version's job definition says, so that it can be refused by name.
#[derive(Deserialize)]
struct Heading {
    job: JobId,
    reply_queue_name: String,
    #[serde(default)]
    reply_exchange: String,
    #[serde(default)]
    schema: u32,
    #[serde(default)]
    version: String,
}

impl Gate {
    /// Makes a gate; with a secret it admits only what is signed with it, and only `in_place` lets
    /// a job without a source run.
    #[must_use]
    pub fn new(secret: Option<String>, in_place: bool, memory: ReplayMemory) -> Self {
        Self {
            secret,
            in_place,
            memory,
        }
    }

    /// Returns the signatures that were used, to be kept for the next process.
    pub fn memory(&mut self) -> &mut ReplayMemory {
        &mut self.memory
    }

    /// Decides on the body of an offer that came at `unix_s` with this signature.
    pub fn admit(&mut self, body: &[u8], signature: Option<&str>, unix_s: u64) -> Admission {
        let heading: Heading = match message::read(body) {
            Ok(heading) => heading,
            Err(fault) => return Admission::Malformed(fault),
        };
        if !is_plain(&heading.job.0) {
            return Admission::Malformed(format!(
                "{:?} is no name of a job",
                shown(&heading.job.0, 200)
            ));
        }
        let Some(to) = ReplyTo::new(&heading.reply_exchange, &heading.reply_queue_name) else {
            return Admission::Malformed(format!(
                "{:?} is no exchange for replies to {:?}",
                shown(&heading.reply_exchange, 200),
                shown(&heading.reply_queue_name, 200)
            ));
        };
        let refused = |reason: String| Admission::Refused {
            job: heading.job.clone(),
            to: to.clone(),
            reason,
        };
        if let Some(secret) = &self.secret
            && let Err(refusal) = sign::verify(secret, signature, unix_s, body, &mut self.memory)
        {
            return refused(refusal.to_string());
        }
        let ours = env!("CARGO_PKG_VERSION");
        if heading.schema != SCHEMA || heading.version != ours {
            return refused(format!(
                "this host runs Gorgon {ours}, the originator {}: install the same version on both",
                shown(&heading.version, 200)
            ));
        }
        match message::read_job_definition(body) {
            Err(error) => Admission::Malformed(error),
            Ok(job) if !is_plain(&job.file_queue_name) => Admission::Malformed(format!(
                "{:?} is no name of a queue",
                shown(&job.file_queue_name, 200)
            )),
            Ok(job) if job.sync.kind == SourceKind::InPlace && !self.in_place => refused(
                "the job has no source to pull, and this listener does not run in place".to_owned(),
            ),
            Ok(job) => Admission::Admitted(Box::new(job)),
        }
    }
}

/// Names are made by originators of letters, digits, dot, dash, underscore; a dash first would be
/// an option, a dot first could be a path upwards.
fn is_plain(name: &str) -> bool {
    (1..=200).contains(&name.len())
        && !name.starts_with(['-', '.'])
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn offer(change: &[(&str, serde_json::Value)]) -> Vec<u8> {
        let mut body = serde_json::json!({
            "type": "job_definition", "schema": SCHEMA, "version": env!("CARGO_PKG_VERSION"),
            "job": "5f2c", "originator_host": "desk", "project": "/home/me/app",
            "file_queue_name": "gorgon.files.5f2c", "reply_queue_name": "gorgon.replies.5f2c",
            "items": 3, "sync": { "kind": "daemon" }, "callback_timeout_s": 600.0, "seed": 1
        });
        for (key, value) in change {
            body[key] = value.clone();
        }
        serde_json::to_vec(&body).unwrap()
    }

    fn admit(secret: Option<&str>, body: &[u8], signature: Option<&str>) -> String {
        let mut gate = Gate::new(secret.map(str::to_owned), false, ReplayMemory::default());
        match gate.admit(body, signature, NOW) {
            Admission::Admitted(job) => format!("admitted {}", job.job),
            Admission::Refused { reason, .. } => format!("refused: {reason}"),
            Admission::Malformed(why) => format!("malformed: {why}"),
        }
    }

    #[test]
    fn an_offer_of_this_version_is_admitted() {
        assert_eq!(admit(None, &offer(&[]), None), "admitted 5f2c");
    }

    #[test]
    fn another_version_is_refused_and_both_are_named() {
        let said = admit(None, &offer(&[("version", "9.9.9".into())]), None);
        assert!(
            said.starts_with("refused")
                && said.contains("9.9.9")
                && said.contains(env!("CARGO_PKG_VERSION"))
        );
    }

    #[test]
    fn a_job_without_a_source_is_refused() {
        let said = admit(
            None,
            &offer(&[("sync", serde_json::json!({ "kind": "in_place" }))]),
            None,
        );
        assert!(said.starts_with("refused: the job has no source"), "{said}");
    }

    #[test]
    fn with_a_secret_only_signed_offers_run_and_each_once() {
        let body = offer(&[]);
        let signature = sign::sign("s", [1; 16], NOW, &body);
        let mut gate = Gate::new(Some("s".into()), false, ReplayMemory::default());
        assert!(matches!(
            gate.admit(&body, Some(&signature), NOW),
            Admission::Admitted(_)
        ));
        assert!(matches!(
            gate.admit(&body, Some(&signature), NOW),
            Admission::Refused { .. }
        ));
        let kept = gate.memory().take_news();
        assert_eq!(kept.lines().count(), 1);
        let mut memory = ReplayMemory::default();
        memory.recall(&kept, NOW + 5);
        let mut restarted = Gate::new(Some("s".into()), false, memory);
        let Admission::Refused { reason, .. } = restarted.admit(&body, Some(&signature), NOW + 5)
        else {
            panic!("a replay is admitted after a restart");
        };
        assert!(reason.contains("replay"), "{reason}");
        assert!(admit(Some("s"), &body, None).contains("signature"));
        assert!(admit(Some("t"), &body, Some(&signature)).contains("signature"));
    }

    #[test]
    fn names_that_lead_elsewhere_are_malformed() {
        for name in ["../../etc", "a/b", "-rf", "", "a b", "x\u{0}", ".."] {
            assert!(
                admit(None, &offer(&[("job", name.into())]), None).starts_with("malformed"),
                "{name:?}"
            );
            let said = admit(None, &offer(&[("file_queue_name", name.into())]), None);
            assert!(said.starts_with("malformed"), "{name:?}");
            let said = admit(None, &offer(&[("reply_queue_name", name.into())]), None);
            assert!(said.starts_with("malformed"), "{name:?}");
        }
        assert!(admit(None, b"[1]", None).starts_with("malformed"));
    }

    #[test]
    fn answers_go_by_the_exchange_of_replies_or_the_default_one() {
        for (exchange, said) in [
            ("", "admitted"),
            ("gorgon.replies", "admitted"),
            ("gorgon.jobs", "malformed"),
            ("amq.fanout", "malformed"),
        ] {
            let body = offer(&[("reply_exchange", exchange.into())]);
            assert!(admit(None, &body, None).starts_with(said), "{exchange}");
        }
    }
}
