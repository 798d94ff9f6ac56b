//! Signatures of job definitions: HMAC-SHA256 over a nonce, an instant and the exact body.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

use crate::hex;

/// The header that carries the signature: `v1 NONCE UNIX_SECONDS HEX`.
pub const HEADER: &str = "gorgon-signature";

/// How far the clocks of originator and listener may differ, the way included.
pub const WINDOW: Duration = Duration::from_secs(300);

/// Most nonces that a listener keeps; more signed offers than that within the window are refused.
pub const MOST_NONCES: usize = 100_000;

/// A nonce of 16 bytes in hexadecimal.
const NONCE_DIGITS: usize = 32;

/// Why a job definition is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is none.
    #[error(
        "the job definition carries no signature, and this listener has a job_secret: put it into gorgon_secret.json"
    )]
    Missing,
    /// It is not of the form that we write.
    #[error("the signature of the job definition cannot be read")]
    Malformed,
    /// It was made with another secret, or the body was changed.
    #[error(
        "the signature of the job definition is wrong: job_secret differs, or the message was changed"
    )]
    Wrong,
    /// It is too old, or from the future.
    #[error(
        "the signature of the job definition is stale: signed at {} by the originator's clock, this \
         host's clock says {}, and they may be 300 s apart; an old message, or a clock to set",
        Utc(*signed_at), Utc(*now)
    )]
    OutsideWindow {
        /// Seconds since 1970 when it was signed, by the originator's clock.
        signed_at: u64,
        /// Seconds since 1970 by ours.
        now: u64,
    },
    /// The same message came before.
    #[error("the signature of the job definition was used before: the message is a replay")]
    Replayed,
    /// Too many to remember.
    #[error("more than {MOST_NONCES} signed job definitions came within the window")]
    TooMany,
}

/// Signs a body for one sending: `nonce` must be new each time, `unix_s` is now.
#[must_use]
pub fn sign(secret: &str, nonce: [u8; 16], unix_s: u64, body: &[u8]) -> String {
    let nonce = hex::encode(&nonce);
    let code = hex::encode(&mac(secret, &nonce, unix_s, body).finalize().into_bytes());
    format!("v1 {nonce} {unix_s} {code}")
}

/// Checks a signature, and remembers its nonce.
///
/// # Errors
/// Why the body must not be believed.
pub fn verify(
    secret: &str,
    signature: Option<&str>,
    unix_s: u64,
    body: &[u8],
    memory: &mut ReplayMemory,
) -> Result<(), Refusal> {
    let signature = signature.ok_or(Refusal::Missing)?;
    let parts: Vec<&str> = signature.split(' ').collect();
    let &["v1", nonce, signed_at, code] = parts.as_slice() else {
        return Err(Refusal::Malformed);
    };
    let signed_at: u64 = signed_at.parse().map_err(|_| Refusal::Malformed)?;
    let code = hex::decode(code).ok_or(Refusal::Malformed)?;
    if nonce.len() != NONCE_DIGITS || hex::decode(nonce).is_none() {
        return Err(Refusal::Malformed);
    }
    // Compared in constant time, before anything else is believed.
    mac(secret, nonce, signed_at, body)
        .verify_slice(&code)
        .map_err(|_| Refusal::Wrong)?;
    if unix_s.abs_diff(signed_at) > WINDOW.as_secs() {
        return Err(Refusal::OutsideWindow {
            signed_at,
            now: unix_s,
        });
    }
    memory.remember(nonce, signed_at, unix_s)
}

/// The nonces that were seen within the window.
#[derive(Debug, Default)]
pub struct ReplayMemory {
    by_time: BTreeMap<u64, Vec<String>>,
    seen: HashSet<String>,
    /// Remembered since the last [`ReplayMemory::take_news`].
    news: String,
}

impl ReplayMemory {
    /// Remembers what [`ReplayMemory::to_text`] wrote, as far as it is still of use at `unix_s`. A
    /// line that cannot be read, as the last one of a full disk, is left out.
    pub fn recall(&mut self, text: &str, unix_s: u64) {
        for line in text.lines() {
            let Some((signed_at, nonce)) = line.split_once(' ') else {
                continue;
            };
            let Ok(signed_at) = signed_at.parse::<u64>() else {
                continue;
            };
            let of_use = signed_at >= oldest(unix_s) && nonce.len() == NONCE_DIGITS;
            if of_use && self.seen.len() < MOST_NONCES && self.seen.insert(nonce.to_owned()) {
                let together = self.by_time.entry(signed_at).or_default();
                together.push(nonce.to_owned());
            }
        }
    }

    /// Writes all of it, a line for each nonce.
    #[must_use]
    pub fn to_text(&self) -> String {
        let lines = self.by_time.iter().flat_map(|(signed_at, nonces)| {
            nonces.iter().map(move |nonce| line(*signed_at, nonce))
        });
        lines.collect()
    }

    /// Takes the lines of what was remembered since the last call.
    pub fn take_news(&mut self) -> String {
        std::mem::take(&mut self.news)
    }

    fn remember(&mut self, nonce: &str, signed_at: u64, unix_s: u64) -> Result<(), Refusal> {
        let kept = self.by_time.split_off(&oldest(unix_s));
        for nonce in std::mem::replace(&mut self.by_time, kept)
            .into_values()
            .flatten()
        {
            self.seen.remove(&nonce);
        }
        if self.seen.contains(nonce) {
            return Err(Refusal::Replayed);
        }
        if self.seen.len() >= MOST_NONCES {
            return Err(Refusal::TooMany);
        }
        self.seen.insert(nonce.to_owned());
        self.news.push_str(&line(signed_at, nonce));
        self.by_time
            .entry(signed_at)
            .or_default()
            .push(nonce.to_owned());
        Ok(())
    }

    /// Returns how many nonces are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Returns whether no nonce is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }
}

/// What is older is refused by its time. The clock may step back meanwhile: hence twice.
fn oldest(unix_s: u64) -> u64 {
    unix_s.saturating_sub(2 * WINDOW.as_secs())
}

fn line(signed_at: u64, nonce: &str) -> String {
    format!("{signed_at} {nonce}\n")
}

/// An instant as people write it.
struct Utc(u64);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = i64::try_from(self.0).ok();
        match at.and_then(|second| Timestamp::from_second(second).ok()) {
            Some(at) => write!(f, "{}", at.strftime("%Y-%m-%d %H:%M:%S UTC")),
            None => write!(f, "{} s after 1970", self.0),
        }
    }
}

fn mac(secret: &str, nonce: &str, unix_s: u64, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    // Nonce and instant hold no blank, so the parts cannot run into each other.
    mac.update(format!("gorgon job_definition v1 {nonce} {unix_s}\n").as_bytes());
    mac.update(body);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    #[test]
    fn a_signed_body_is_taken_once() {
        let mut memory = ReplayMemory::default();
        let signature = sign("secret", [7; 16], NOW, b"body");
        assert_eq!(
            verify("secret", Some(&signature), NOW + 300, b"body", &mut memory),
            Ok(())
        );
        assert_eq!(
            verify("secret", Some(&signature), NOW + 1, b"body", &mut memory),
            Err(Refusal::Replayed)
        );
        let again = sign("secret", [8; 16], NOW, b"body");
        assert_eq!(
            verify("secret", Some(&again), NOW, b"body", &mut memory),
            Ok(())
        );
    }

    #[test]
    fn what_was_changed_is_refused() {
        let good = sign("secret", [7; 16], NOW, b"body");
        let late = good.replace(&NOW.to_string(), &(NOW + 1).to_string());
        for (secret, signature, body, refusal) in [
            ("other", Some(good.as_str()), "body", Refusal::Wrong),
            ("secret", Some(&good), "bodY", Refusal::Wrong),
            ("secret", Some(&late), "body", Refusal::Wrong),
            ("secret", None, "body", Refusal::Missing),
            ("secret", Some("v1 x y z"), "body", Refusal::Malformed),
            ("secret", Some("v1 é 1 é"), "body", Refusal::Malformed),
            ("secret", Some(""), "body", Refusal::Malformed),
        ] {
            let mut memory = ReplayMemory::default();
            let found = verify(secret, signature, NOW, body.as_bytes(), &mut memory);
            assert_eq!(found, Err(refusal));
            assert!(memory.is_empty(), "nothing of a refused message is kept");
        }
    }

    #[test]
    fn the_window_is_300_seconds_both_ways() {
        for (off, expected) in [
            (300_i64, Ok(())),
            (-300, Ok(())),
            (
                301,
                Err(Refusal::OutsideWindow {
                    signed_at: NOW,
                    now: NOW + 301,
                }),
            ),
            (
                -301,
                Err(Refusal::OutsideWindow {
                    signed_at: NOW,
                    now: NOW - 301,
                }),
            ),
        ] {
            let now = NOW.checked_add_signed(off).unwrap();
            let signature = sign("s", [1; 16], NOW, b"");
            assert_eq!(
                verify(
                    "s",
                    Some(&signature),
                    now,
                    b"",
                    &mut ReplayMemory::default()
                ),
                expected
            );
        }
    }

    #[test]
    fn the_memory_forgets_what_its_time_would_refuse() {
        let mut memory = ReplayMemory::default();
        for second in 0..2_000_u64 {
            let mut nonce = [0; 16];
            nonce[..8].copy_from_slice(&second.to_le_bytes());
            let now = NOW + second;
            let signature = sign("s", nonce, now, b"");
            assert_eq!(verify("s", Some(&signature), now, b"", &mut memory), Ok(()));
        }
        assert!(memory.len() <= 601, "{} nonces are kept", memory.len());
    }

    #[test]
    fn what_was_written_is_remembered_after_a_restart_and_pruned_past_the_window() {
        let mut memory = ReplayMemory::default();
        let signatures =
            [NOW, NOW + 10].map(|at| sign("s", [u8::try_from(at % 251).unwrap(); 16], at, b""));
        for signature in &signatures {
            assert_eq!(verify("s", Some(signature), NOW, b"", &mut memory), Ok(()));
        }
        let text = memory.to_text();
        assert_eq!(
            memory.take_news(),
            text,
            "appended or whole, it is the same"
        );
        assert_eq!(memory.take_news(), "");

        let mut again = ReplayMemory::default();
        again.recall(&format!("{text}18000000\nnonsense\n1 x"), NOW + 100);
        assert_eq!(again.to_text(), text);
        for signature in &signatures {
            let found = verify("s", Some(signature), NOW + 100, b"", &mut again);
            assert_eq!(found, Err(Refusal::Replayed));
        }
        assert_eq!(again.take_news(), "", "a refused message is no news");

        let mut late = ReplayMemory::default();
        late.recall(&text, NOW + 605);
        assert_eq!(late.len(), 1);
    }

    #[test]
    fn both_clocks_are_named() {
        let stale = Refusal::OutsideWindow {
            signed_at: 951_782_399,
            now: NOW,
        };
        let said = stale.to_string();
        assert!(said.contains("signed at 2000-02-28 23:59:59 UTC"), "{said}");
        assert!(
            said.contains("clock says 2027-01-15 08:00:00 UTC"),
            "{said}"
        );
        for (second, shown) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (951_868_800, "2000-03-01 00:00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(Utc(second).to_string(), shown);
        }
        assert!(!Utc(u64::MAX).to_string().is_empty());
    }
}
