//! What a workspace was when it was made equal to its source: what proves later that it still is. Pure.

use crate::manifest::Nanos;
use crate::stamp::{Kind, Stamp};

/// Begins a written record; another one means another format.
const FORMAT: &[u8] = b"gorgon workspace 2\n";

/// Size of a stamp in bytes: three numbers of 4, three of 8, two of 16.
const STAMP_BYTES: usize = 68;

/// A workspace as it was when its last path had been put in place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Record {
    /// Of the originator's manifest, where its source had one.
    pub(crate) digest: String,
    /// In the order of their paths, each once.
    pub(crate) entries: Vec<Entry>,
}

/// One path of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) path: Vec<u8>,
    /// What it was copied from.
    pub(crate) source: Stamp,
    /// The copy; none when it may change without showing it.
    pub(crate) own: Option<Stamp>,
}

impl Record {
    /// Gives up what was put in place so short before `now` that a change might leave no trace.
    pub(crate) fn settle(&mut self, now: Nanos, tick: Nanos) {
        for entry in &mut self.entries {
            // What is in a directory is looked at itself.
            let young = |own: &Stamp| own.kind() != Kind::Directory && own.changed > now - tick;
            if entry.own.as_ref().is_some_and(young) {
                entry.own = None;
            }
        }
    }

    /// Returns how many bytes the files have.
    pub(crate) fn total_bytes(&self) -> u64 {
        let files = self
            .entries
            .iter()
            .filter(|it| it.source.kind() == Kind::File);
        files
            .map(|entry| entry.source.size)
            .fold(0, u64::saturating_add)
    }

    /// Returns the bytes that are kept, for this start of the machine: after another one nobody
    /// knows what of the content has reached the disk.
    pub(crate) fn encode(&self, boot: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(200 + self.entries.len() * (2 * STAMP_BYTES + 40));
        out.extend_from_slice(FORMAT);
        put(&mut out, boot.as_bytes());
        put(&mut out, self.digest.as_bytes());
        for entry in &self.entries {
            put(&mut out, &entry.path);
            put_stamp(&mut out, &entry.source);
            match &entry.own {
                Some(own) => {
                    out.push(1);
                    put_stamp(&mut out, own);
                }
                None => out.push(0),
            }
        }
        out
    }

    /// Reads what [`Record::encode`] wrote; none when it is damaged, of another format or of
    /// another start of the machine.
    pub(crate) fn decode(bytes: &[u8], boot: &str) -> Option<Self> {
        let mut rest = bytes.strip_prefix(FORMAT)?;
        if take(&mut rest)? != boot.as_bytes() {
            return None;
        }
        let digest = String::from_utf8(take(&mut rest)?.to_vec()).ok()?;
        let mut entries: Vec<Entry> = Vec::new();
        while !rest.is_empty() {
            let path = take(&mut rest)?.to_vec();
            if entries.last().is_some_and(|last| last.path >= path) {
                return None;
            }
            let source = take_stamp(&mut rest)?;
            let (has_own, after) = rest.split_first()?;
            rest = after;
            let own = match has_own {
                0 => None,
                1 => Some(take_stamp(&mut rest)?),
                _ => return None,
            };
            entries.push(Entry { path, source, own });
        }
        Some(Self { digest, entries })
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    // Paths have at most 4096 bytes.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes);
}

fn put_stamp(out: &mut Vec<u8>, stamp: &Stamp) {
    for number in [stamp.mode, stamp.user, stamp.group] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    for number in [stamp.device, stamp.inode, stamp.size] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    for number in [stamp.modified, stamp.changed] {
        out.extend_from_slice(&number.to_le_bytes());
    }
}

fn array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*first)
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(u32::from_le_bytes(array(rest)?)).ok()?;
    let (bytes, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(bytes)
}

fn take_stamp(rest: &mut &[u8]) -> Option<Stamp> {
    Some(Stamp {
        mode: u32::from_le_bytes(array(rest)?),
        user: u32::from_le_bytes(array(rest)?),
        group: u32::from_le_bytes(array(rest)?),
        device: u64::from_le_bytes(array(rest)?),
        inode: u64::from_le_bytes(array(rest)?),
        size: u64::from_le_bytes(array(rest)?),
        modified: Nanos::from_le_bytes(array(rest)?),
        changed: Nanos::from_le_bytes(array(rest)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(inode: u64) -> Stamp {
        Stamp {
            mode: 0o100_644,
            user: 1,
            group: 2,
            device: 3,
            inode,
            size: 5,
            modified: -6,
            changed: 7_000,
        }
    }

    fn record() -> Record {
        let entry = |path: &str, own| Entry {
            path: path.into(),
            source: stamp(1),
            own,
        };
        Record {
            digest: "d".to_owned(),
            entries: vec![entry("a", Some(stamp(2))), entry("b\n", None)],
        }
    }

    #[test]
    fn what_is_written_is_read_until_the_machine_starts_again() {
        let bytes = record().encode("boot");
        assert_eq!(Record::decode(&bytes, "boot"), Some(record()));
        assert_eq!(Record::decode(&bytes, "other"), None);
    }

    #[test]
    fn a_cut_or_garbled_one_never_panics() {
        let bytes = record().encode("boot");
        for length in 0..bytes.len() {
            let cut = Record::decode(&bytes[..length], "boot");
            assert!(cut.is_none_or(|cut| cut.entries.len() < 2), "{length}");
            let mut garbled = bytes.clone();
            garbled[length] ^= 0x55;
            let _ = Record::decode(&garbled, "boot");
        }
    }

    #[test]
    fn what_is_too_young_to_show_a_change_is_given_up() {
        let mut settled = record();
        settled.settle(7_100, 50);
        assert_eq!(settled, record());
        settled.settle(7_049, 50);
        assert_eq!(settled.entries[0].own, None);
        assert_eq!(settled.total_bytes(), 10);
    }
}
