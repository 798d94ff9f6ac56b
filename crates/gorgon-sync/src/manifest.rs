//! What a project's tree was at one moment: enough to tell whether anything changed. Pure.

use std::collections::HashMap;
use std::fmt::Write as _;

use gorgon_proto::hex;
use sha2::{Digest, Sha256};

/// First record of an encoded manifest; another one means another format.
const FORMAT: &str = "gorgon manifest 1";

/// Directories that are often large and seldom needed by tests.
const OFTEN_COSTLY: [&str; 6] = [".git", "node_modules", "log", "tmp", "coverage", "vendor"];

/// Below this a directory is not worth a word.
const COSTLY_BYTES: u64 = 20 << 20;

/// A moment of the filesystem's clock, in nanoseconds since 1970.
pub type Nanos = i128;

/// One second of it.
pub const SECOND: Nanos = 1_000_000_000;

/// One file, link or directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path from the project, as bytes.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Its permission bits.
    pub mode: u32,
    /// When its content changed last, as its owner says.
    pub modified: Nanos,
    /// When its content or attributes changed last, as the kernel says.
    pub changed: Nanos,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A file of so many bytes.
    File {
        /// Its size.
        size: u64,
    },
    /// A symbolic link.
    Link {
        /// Where it points to.
        target: Vec<u8>,
    },
    /// A directory.
    Directory,
    /// A named pipe; sockets and devices are not synced.
    Pipe,
}

/// All entries of a tree, in the order of their paths, and the rules by which they were chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manifest {
    /// The rules of the excludes: other rules are another tree.
    pub rules: Vec<String>,
    /// Sorted by path.
    pub entries: Vec<Entry>,
}

impl Manifest {
    /// Makes one of entries in any order.
    #[must_use]
    pub fn new(rules: Vec<String>, mut entries: Vec<Entry>) -> Self {
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Self { rules, entries }
    }

    /// Returns the bytes that are kept and sent: records that end with NUL.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.entries.len() * 96);
        let mut record = |parts: &[&[u8]]| {
            parts.iter().for_each(|part| out.extend_from_slice(part));
            out.push(0);
        };
        record(&[FORMAT.as_bytes()]);
        for rule in &self.rules {
            record(&[b"r ", rule.as_bytes()]);
        }
        let mut head = String::new();
        for entry in &self.entries {
            head.clear();
            let (letter, size) = match &entry.kind {
                Kind::File { size } => ('f', *size),
                Kind::Link { .. } => ('l', 0),
                Kind::Directory => ('d', 0),
                Kind::Pipe => ('p', 0),
            };
            // Writing to a String cannot fail.
            let _ = write!(
                head,
                "{letter} {:o} {size} {} {} ",
                entry.mode, entry.modified, entry.changed
            );
            record(&[head.as_bytes(), &entry.path]);
            if let Kind::Link { target } = &entry.kind {
                record(&[b"> ", target]);
            }
        }
        out
    }

    /// Reads what [`Manifest::encode`] wrote; none when it is damaged or of another format.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut records = bytes
            .strip_suffix(&[0])?
            .split(|byte| *byte == 0)
            .peekable();
        if records.next()? != FORMAT.as_bytes() {
            return None;
        }
        let mut manifest = Self::default();
        while let Some(record) = records.next() {
            if let Some(rule) = record.strip_prefix(b"r ") {
                manifest.rules.push(String::from_utf8(rule.to_vec()).ok()?);
                continue;
            }
            let mut fields = record.splitn(6, |byte| *byte == b' ');
            let mut text = || std::str::from_utf8(fields.next()?).ok();
            let (letter, mode, size) = (text()?, text()?, text()?);
            let (modified, changed) = (text()?, text()?);
            let path = fields.next()?.to_vec();
            let kind = match letter {
                "f" => Kind::File {
                    size: size.parse().ok()?,
                },
                "l" => Kind::Link {
                    target: records.next()?.strip_prefix(b"> ")?.to_vec(),
                },
                "d" => Kind::Directory,
                "p" => Kind::Pipe,
                _ => return None,
            };
            // In the order of their paths, each once: so it is written.
            if manifest
                .entries
                .last()
                .is_some_and(|last| last.path >= path)
            {
                return None;
            }
            manifest.entries.push(Entry {
                path,
                kind,
                mode: u32::from_str_radix(mode, 8).ok()?,
                modified: modified.parse().ok()?,
                changed: changed.parse().ok()?,
            });
        }
        Some(manifest)
    }

    /// Returns a digest that is equal only when nothing changed.
    #[must_use]
    pub fn digest(&self) -> String {
        digest(&self.encode())
    }

    /// Returns the size of all files.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.entries
            .iter()
            .map(Entry::size)
            .fold(0, u64::saturating_add)
    }

    /// Returns the files that may have changed since `before` (all, when there is none): for these
    /// alone rsync's quick check is not to be trusted.
    #[must_use]
    pub fn suspects<'a>(&'a self, before: Option<&Self>) -> Vec<&'a Entry> {
        let known: HashMap<&[u8], &Entry> = before
            .iter()
            .flat_map(|manifest| &manifest.entries)
            .map(|entry| (entry.path.as_slice(), entry))
            .collect();
        self.entries
            .iter()
            .filter(|entry| matches!(entry.kind, Kind::File { .. }))
            .filter(|entry| known.get(entry.path.as_slice()) != Some(entry))
            .collect()
    }

    /// Returns the top directories that are known to be large and seldom needed, with their bytes,
    /// the largest first: a hint for the user's excludes.
    #[must_use]
    pub fn costly(&self) -> Vec<(String, u64)> {
        let mut costs: Vec<(String, u64)> = OFTEN_COSTLY
            .iter()
            .map(|name| {
                let below = format!("{name}/").into_bytes();
                let inside = self
                    .entries
                    .iter()
                    .filter(|entry| entry.path.starts_with(&below));
                let bytes = inside.map(Entry::size).fold(0, u64::saturating_add);
                ((*name).to_owned(), bytes)
            })
            .filter(|(_, bytes)| *bytes >= COSTLY_BYTES)
            .collect();
        costs.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        costs
    }
}

impl Entry {
    /// Returns whether `copy`, an entry of a copy of the tree, is what a sync makes of this one.
    /// When its inode changed tells nothing; a time may have lost its fraction.
    #[must_use]
    pub fn is_copied_as(&self, copy: &Self) -> bool {
        let alike = self.path == copy.path && self.kind == copy.kind;
        alike
            && match self.kind {
                Kind::File { .. } => {
                    let seconds = |entry: &Self| entry.modified.div_euclid(SECOND);
                    self.mode == copy.mode && seconds(self) == seconds(copy)
                }
                Kind::Directory | Kind::Pipe => self.mode == copy.mode,
                Kind::Link { .. } => true,
            }
    }

    fn size(&self) -> u64 {
        match self.kind {
            Kind::File { size } => size,
            Kind::Link { .. } | Kind::Directory | Kind::Pipe => 0,
        }
    }
}

/// Returns the digest of an encoded manifest.
#[must_use]
pub fn digest(encoded: &[u8]) -> String {
    hex::encode(&Sha256::digest(encoded))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, size: u64, changed: Nanos) -> Entry {
        let kind = Kind::File { size };
        Entry {
            path: path.into(),
            kind,
            mode: 0o644,
            modified: 5_000_000_007,
            changed,
        }
    }

    fn tree() -> Manifest {
        let link = Kind::Link {
            target: b"some where".to_vec(),
        };
        let mut odd = file("", 3, 9);
        odd.path = b"x\ny \xff".to_vec();
        Manifest::new(
            vec!["- log".to_owned()],
            vec![
                file("b", 1, 1),
                file("a b", 2, -1),
                Entry {
                    kind: link,
                    ..file("l", 0, 2)
                },
                Entry {
                    kind: Kind::Directory,
                    mode: 0o755,
                    ..file("d", 0, 2)
                },
                Entry {
                    kind: Kind::Pipe,
                    ..file("p", 0, 2)
                },
                odd,
            ],
        )
    }

    #[test]
    fn what_is_written_is_read() {
        let manifest = tree();
        assert_eq!(Manifest::decode(&manifest.encode()), Some(manifest));
        let empty = Manifest::default();
        assert_eq!(Manifest::decode(&empty.encode()), Some(empty));
    }

    #[test]
    fn a_cut_or_garbled_one_never_panics() {
        let bytes = tree().encode();
        for length in 0..bytes.len() {
            let cut = Manifest::decode(&bytes[..length]);
            assert!(
                cut.is_none_or(|m| m.entries.len() < tree().entries.len()),
                "{length}"
            );
            let mut garbled = bytes.clone();
            garbled[length] ^= 0x55;
            let _ = Manifest::decode(&garbled);
        }
        assert_eq!(Manifest::decode(b"gorgon manifest 9\0"), None);
    }

    #[test]
    fn the_digest_sees_every_change() {
        let digest = tree().digest();
        assert_eq!(digest.len(), 64);
        let mut other = tree();
        other.entries[0].changed += 1;
        assert_ne!(other.digest(), digest);
        let mut other = tree();
        other.rules.clear();
        assert_ne!(other.digest(), digest);
        assert_eq!(tree().digest(), digest);
    }

    #[test]
    fn suspects_are_files_that_are_new_or_not_the_same() {
        let before = Manifest::new(vec![], vec![file("a", 1, 1), file("b", 1, 1)]);
        let after = Manifest::new(
            vec![],
            vec![file("a", 1, 1), file("b", 1, 2), file("c", 1, 1)],
        );
        let paths = |m: Vec<&Entry>| m.iter().map(|e| e.path.clone()).collect::<Vec<_>>();
        assert_eq!(paths(after.suspects(Some(&before))), [b"b", b"c"]);
        assert_eq!(paths(after.suspects(None)), [b"a", b"b", b"c"]);
    }

    #[test]
    fn large_directories_are_named_largest_first() {
        let manifest = Manifest::new(
            vec![],
            vec![
                file(".git/x", 30 << 20, 1),
                file("node_modules/a", 300 << 20, 1),
                file("log/a", 1, 1),
                file("logs/a", 300 << 20, 1),
            ],
        );
        let costly = manifest.costly();
        assert_eq!(
            costly,
            [
                ("node_modules".to_owned(), 300 << 20),
                (".git".to_owned(), 30 << 20)
            ]
        );
    }
}
