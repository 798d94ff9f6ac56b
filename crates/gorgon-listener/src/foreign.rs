//! What holds of offers whatever they are; see `gorgon-garble`.

use std::path::Path;

use gorgon_garble::{Corpus, cases};
use gorgon_proto::job::SCHEMA;
use gorgon_proto::names::REPLIES_EXCHANGE;
use gorgon_proto::sign::ReplayMemory;
use serde_json::{Value, json};

use crate::admit::{Admission, Gate, ReplyTo};

const NOW: u64 = 1_800_000_000;
const NAMED: [&str; 4] = [
    "job",
    "file_queue_name",
    "reply_queue_name",
    "reply_exchange",
];

/// An offer of this version in which each name in turn, and all of them, are these.
fn offers(name: &str) -> impl Iterator<Item = Vec<u8>> {
    let plain = json!({
        "type": "job_definition", "schema": SCHEMA, "version": env!("CARGO_PKG_VERSION"),
        "job": "5f2c", "originator_host": "desk", "project": "/home/me/app",
        "file_queue_name": "gorgon.files.5f2c", "reply_queue_name": "gorgon.replies.5f2c",
        "items": 3, "sync": { "kind": "daemon" }, "callback_timeout_s": 600.0, "seed": 1,
    });
    let name = Value::from(name);
    (0..=NAMED.len()).map(move |which| {
        let mut offer = plain.clone();
        for (nth, key) in NAMED.iter().enumerate() {
            if nth == which || which == NAMED.len() {
                offer[*key] = name.clone();
            }
        }
        serde_json::to_vec(&offer).expect("a value")
    })
}

fn admit(secret: Option<&str>, body: &[u8], signature: Option<&str>) -> Admission {
    let secret = secret.map(str::to_owned);
    Gate::new(secret, false, ReplayMemory::default()).admit(body, signature, NOW)
}

/// A name makes one entry of a directory, and neither an option, a hidden file nor two words.
fn is_a_name(name: &str) {
    let place = Path::new("/w").join(name);
    let alone = place.parent() == Some(Path::new("/w")) && place.ends_with(name);
    let begins = name.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_');
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
    assert!(alone && begins && plain && name.len() <= 200, "{name:?}");
}

fn is_an_answer(to: &ReplyTo) {
    is_a_name(&to.queue);
    assert!(
        ["", REPLIES_EXCHANGE].contains(&to.exchange.as_str()),
        "{to:?}"
    );
}

/// Whatever becomes of an offer: what is used of it are names, and what is said of it is a line.
fn check(admission: &Admission) {
    match admission {
        Admission::Admitted(job) => {
            is_a_name(&job.job.0);
            is_a_name(&job.file_queue_name);
            is_an_answer(&ReplyTo::of(job));
        }
        Admission::Refused { job, to, reason } => {
            is_a_name(&job.0);
            is_an_answer(to);
            is_a_line(reason);
        }
        Admission::Malformed(why) => is_a_line(why),
    }
}

fn is_a_line(text: &str) {
    assert!(!text.contains(char::is_control), "{text:?}");
    assert!(text.chars().count() <= 2000, "{} characters", text.len());
}

#[test]
fn nothing_but_names_comes_out_of_an_offer() {
    cases(Corpus::read("offer"), 3000, |bytes| {
        check(&admit(None, bytes, None));
        let text = String::from_utf8_lossy(bytes).into_owned();
        for name in text.lines().take(10) {
            for offer in offers(name) {
                check(&admit(None, &offer, None));
                let signed = admit(Some("sesame"), &offer, Some(name));
                check(&signed);
                assert!(
                    !matches!(signed, Admission::Admitted(_)),
                    "{name:?} is a signature"
                );
            }
        }
    });
}
