//! What holds of our readers whatever they are given; see `gorgon-garble`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use gorgon_process::End;
use gorgon_process::command::{CommandError, Said};
use gorgon_process::exit::{Hint, chain};

use crate::args::{self, Compare, Location};
use crate::exclude::Excludes;
use crate::failure::SyncError;
use crate::inside::leads_out;
use crate::manifest::Manifest;
use crate::wildmatch;

/// A manifest is read or it is damaged; what was read is no larger than what was given, and is written and read again as
/// the same.
///
/// # Panics
/// When that does not hold.
pub fn manifest(bytes: &[u8]) {
    let Some(manifest) = Manifest::decode(bytes) else {
        return;
    };
    // The shortest record is `p 0 0 0 0 `, with its NUL.
    assert!(manifest.entries.len() * 11 <= bytes.len());
    let again = Manifest::decode(&manifest.encode());
    assert_eq!(again.as_ref(), Some(&manifest));
    let _ = (manifest.total_bytes(), manifest.costly());
    assert!(manifest.suspects(None).len() <= manifest.entries.len());
    assert!(manifest.suspects(Some(&manifest)).is_empty());
}

/// A pattern and a text, of a line each, match or do not, soon; what matches itself still does with a star around it.
///
/// # Panics
/// When that does not hold.
pub fn wild_cards(bytes: &[u8]) {
    let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
    let (pattern, text) = (
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or_default(),
    );
    // A match takes time of their product.
    let (pattern, text) = (
        &pattern[..pattern.len().min(400)],
        &text[..text.len().min(400)],
    );
    if wildmatch::matches(pattern, text) {
        let wider = [b"**", pattern].concat();
        assert!(wildmatch::matches(&wider, text), "{wider:?} {text:?}");
    }
}

/// Whatever rsync says and however it ends, there is an error that can be read: its words, its status, and one hint at most.
///
/// # Panics
/// When that does not hold.
pub fn rsync_words(bytes: &[u8]) {
    let status = i32::from(bytes.first().copied().unwrap_or(0));
    let stderr = String::from_utf8_lossy(bytes).into_owned();
    let said = || Said {
        stdout: String::new(),
        stderr: stderr.clone(),
    };
    let ended = |end| CommandError::Ended {
        command: "rsync a b".to_owned(),
        end,
        source: said(),
    };
    for end in [End::Exited(status), End::Signaled(status)] {
        let one = SyncError::rsync("pull the source from a".to_owned(), ended(end));
        let all = SyncError::unreachable(vec![
            ("a:873".to_owned(), ended(end)),
            ("b:873".to_owned(), ended(end)),
        ]);
        for error in [one, all] {
            let text = chain(&error);
            assert!(
                text.len() <= 1000 + 3 * stderr.len(),
                "{} of {}",
                text.len(),
                stderr.len()
            );
            assert!(error.hint().is_none_or(|hint| hint.lines().count() == 1));
        }
    }
}

/// Names that make paths in the tree of [`make_tree`].
const NAMES: [&str; 16] = [
    "lib", "a.rb", "deep", "in.rb", "back", "..", "..", ".", "", "up", "out.rb", "far", "sibling",
    "nowhere", "loop", "root",
];

/// Makes a workspace `root` with links that stay in it and links that leave it, beside a directory whose name begins alike.
///
/// # Panics
/// When it cannot.
pub fn make_tree(dir: &Path) {
    for place in ["root/lib/deep", "root/spec", "root2"] {
        fs::create_dir_all(dir.join(place)).expect("a directory");
    }
    for file in [
        "root/lib/a.rb",
        "root/lib/deep/a.rb",
        "root/spec/a_spec.rb",
        "root2/a.rb",
        "out.rb",
        "a.rb",
    ] {
        fs::write(dir.join(file), "").expect("a file");
    }
    for (link, target) in [
        ("in.rb", "lib/a.rb"),
        ("lib/back", ".."),
        ("lib/deep/back", "../.."),
        ("up", ".."),
        ("lib/up", "../.."),
        ("out.rb", "../out.rb"),
        ("lib/out.rb", "../up/root2/a.rb"),
        ("far", "/"),
        ("sibling", "../root2"),
        ("nowhere", "../gone"),
        ("loop", "loop"),
    ] {
        symlink(target, dir.join("root").join(link)).expect("a link");
    }
}

/// A path that is let in is, to the kernel, a thing of the workspace, or nothing; the bytes are one, and choose another
/// of the names that are there.
///
/// # Panics
/// When that does not hold.
pub fn paths(root: &Path, bytes: &[u8]) {
    let names = bytes.iter().take(12);
    let names: Vec<&str> = names
        .map(|byte| NAMES[usize::from(*byte) % NAMES.len()])
        .collect();
    for path in [String::from_utf8_lossy(bytes).into_owned(), names.join("/")] {
        let out = leads_out(root, &path);
        let up = path.split('/').scan(0_i32, |depth, name| {
            *depth += match name {
                ".." => -1,
                "" | "." => 0,
                _ => 1,
            };
            Some(*depth)
        });
        let said = path.starts_with('/') || path.contains('\0') || up.min() < Some(0);
        assert!(out || !said, "{path:?} is let in");
        if let Ok(place) = fs::metadata(root.join(&path)) {
            let within = inodes(root).contains(&(place.dev(), place.ino()));
            assert_eq!(out, said || !within, "{path:?}");
        }
    }
}

/// The things below a directory, and itself, as the kernel numbers them; links are not followed.
fn inodes(directory: &Path) -> BTreeSet<(u64, u64)> {
    let own = fs::symlink_metadata(directory).expect("it is there");
    let mut all = BTreeSet::from([(own.dev(), own.ino())]);
    if own.is_dir() {
        for entry in fs::read_dir(directory).expect("a directory").flatten() {
            all.extend(inodes(&entry.path()));
        }
    }
    all
}

/// Each line is a place that rsync reads as we do, or none; whatever place, key and patterns say, the options are those of
/// a plain place, and no machine or user is one.
///
/// # Panics
/// When that does not hold.
pub fn locations(bytes: &[u8]) {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4000)]).into_owned();
    let lines: Vec<String> = text.split('\n').take(20).map(str::to_owned).collect();
    let excludes = Excludes::new(&lines, &lines);
    for line in &lines {
        let Some(place) = Location::parse(line) else {
            continue;
        };
        let plain = match &place {
            Location::Daemon(_) => "rsync://h/m",
            Location::Shell(_) => "h:d",
            Location::Directory(_) => "/d",
        };
        let read = hostspec(line.as_bytes());
        let kind = match &read {
            Some(read) if read.daemon => "rsync://h/m",
            Some(_) => "h:d",
            None => "/d",
        };
        assert_eq!(kind, plain, "{line:?}: rsync reads {read:?}");
        if let Some(Hostspec { user, host, .. }) = &read {
            let option = user.starts_with(b"-") || host.starts_with(b"-");
            assert!(!option, "{line:?}: {read:?}");
        }
        let plain = Location::parse(plain).expect("a plain place");
        let cache = Location::Directory("/c".into());
        let (key, home) = (Path::new(line), Path::new(line).as_os_str());
        let made = |place: &Location, key: &Path, excludes| {
            args::mirror(place, &cache, excludes, Compare::Content, Some(key))
        };
        let seen = made(&place, key, Some(&excludes));
        let (options, places) = split(&seen);
        assert!(
            places
                .iter()
                .all(|place| !place.as_encoded_bytes().starts_with(b"-")),
            "{places:?}"
        );
        let (excluded, others): (Vec<_>, Vec<_>) = options
            .iter()
            .partition(|option| option.as_encoded_bytes().starts_with(b"--exclude="));
        assert_eq!(excluded.len(), excludes.rules().len());
        let expected = made(&plain, Path::new("k"), None);
        let (expected, _) = split(&expected);
        assert_eq!(others.len(), expected.len());
        for (other, expected) in others.iter().zip(expected) {
            let command = words(expected.as_encoded_bytes());
            if command.first().is_some_and(|word| word == b"ssh") {
                let mut command = command;
                *command.last_mut().expect("the key") = line.as_bytes().to_vec();
                assert_eq!(words(other.as_encoded_bytes()), command);
                let home = args::with_home(seen.clone(), Some(home));
                let whole = home
                    .iter()
                    .find(|arg| arg.as_encoded_bytes().starts_with(b"env "));
                let whole = words(whole.expect("a command").as_encoded_bytes());
                assert_eq!(whole[1], [b"HOME=", line.as_bytes()].concat());
                assert_eq!(whole[2..], command);
            } else {
                assert_eq!(*other, expected);
            }
        }
    }
}

/// The options, and the two places behind `--`.
fn split(args: &[OsString]) -> (&[OsString], &[OsString]) {
    let (options, places) = args.split_at(args.len() - 2);
    let (dashes, options) = options.split_last().expect("two dashes");
    assert_eq!(dashes, "--");
    assert!(options.iter().all(|option| option != "--"));
    (options, places)
}

#[derive(Debug)]
struct Hostspec<'a> {
    user: &'a [u8],
    host: &'a [u8],
    daemon: bool,
}

/// How rsync (3.2.7, `check_for_hostspec` and `parse_hostspec`) reads a place; none for a path.
fn hostspec(text: &[u8]) -> Option<Hostspec<'_>> {
    let scheme = text
        .get(..8)
        .filter(|it| it.eq_ignore_ascii_case(b"rsync://"));
    if let Some((user, host, _)) = scheme.and_then(|_| authority(&text[8..], true)) {
        let daemon = true;
        return Some(Hostspec { user, host, daemon });
    }
    let (user, host, rest) = authority(text, false)?;
    let daemon = rest.starts_with(b":");
    Some(Hostspec { user, host, daemon })
}

fn authority(text: &[u8], url: bool) -> Option<(&[u8], &[u8], &[u8])> {
    let (mut user, mut start, mut end, mut at) = (0, 0, None, 0);
    loop {
        match text.get(at) {
            None | Some(b'/') if !url => return None,
            None | Some(b'/' | b':') => break,
            Some(b'@') => (user, start) = (at, at + 1),
            Some(b'[') => {
                if at != start {
                    return None;
                }
                start += 1;
                at += text[at..]
                    .iter()
                    .position(|byte| matches!(byte, b']' | b'/'))?;
                let next = matches!(text.get(at + 1), None | Some(b'/' | b':'));
                if text[at] != b']' || !next || at == start {
                    return None;
                }
                end = Some(at);
            }
            Some(_) => {}
        }
        at += 1;
    }
    let rest = text.get(at + 1..).unwrap_or_default();
    Some((&text[..user], &text[start..end.unwrap_or(at)], rest))
}

/// How rsync splits the command of `--rsh`: at spaces outside of quotes, and a doubled quote is one.
fn words(command: &[u8]) -> Vec<Vec<u8>> {
    let (mut words, mut quote, mut begun) = (vec![], None, false);
    let mut bytes = command.iter().copied().peekable();
    let mut word = vec![];
    while let Some(byte) = bytes.next() {
        match (byte, quote) {
            (b' ', None) => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
                continue;
            }
            (b'"' | b'\'', None) => quote = Some(byte),
            (byte, Some(open)) if byte == open => {
                if bytes.next_if_eq(&open).is_some() {
                    word.push(byte);
                } else {
                    quote = None;
                }
            }
            (byte, _) => word.push(byte),
        }
        begun = true;
    }
    words.extend(begun.then_some(word));
    words
}

#[cfg(test)]
mod tests {
    use gorgon_garble::{Corpus, cases};

    #[test]
    fn a_path_that_is_let_in_is_in_the_workspace() {
        let dir = tempfile::tempdir().unwrap();
        super::make_tree(dir.path());
        let root = dir.path().join("root");
        let check = move |bytes: &[u8]| super::paths(&root, bytes);
        cases(Corpus::read("inside"), 3000, check);
    }

    #[test]
    fn no_place_key_or_pattern_becomes_an_option() {
        cases(Corpus::read("location"), 3000, super::locations);
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written_or_not_at_all() {
        cases(Corpus::read("manifest"), 3000, super::manifest);
    }

    #[test]
    fn wild_cards_come_to_an_end() {
        cases(Corpus::read("wild-cards"), 3000, super::wild_cards);
    }

    #[test]
    fn whatever_rsync_says_can_be_told() {
        cases(Corpus::read("rsync-words"), 2000, super::rsync_words);
    }
}
