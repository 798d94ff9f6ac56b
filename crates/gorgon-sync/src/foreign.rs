//! What holds of our readers whatever they are given; see `gorgon-garble`.

use gorgon_process::End;
use gorgon_process::command::{CommandError, Said};
use gorgon_process::exit::{Hint, chain};

use crate::failure::SyncError;
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

#[cfg(test)]
mod tests {
    use gorgon_garble::{Corpus, cases};

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
