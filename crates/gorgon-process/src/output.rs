//! Output of a child, kept with its head and its tail.

use std::collections::VecDeque;

/// What is kept of an output unless said otherwise.
pub const LIMIT_BYTES: usize = 64 * 1024;

/// Keeps the first and the last half of `limit` bytes of a stream.
#[derive(Debug, Clone)]
pub struct HeadTail {
    half: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    total: u64,
}

impl Default for HeadTail {
    fn default() -> Self {
        Self::new(LIMIT_BYTES)
    }
}

impl HeadTail {
    /// Makes an empty one that keeps `limit_bytes`.
    #[must_use]
    pub fn new(limit_bytes: usize) -> Self {
        Self {
            half: (limit_bytes / 2).max(1),
            head: Vec::new(),
            tail: VecDeque::new(),
            total: 0,
        }
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let room = (self.half - self.head.len()).min(bytes.len());
        let (to_head, rest) = bytes.split_at(room);
        self.head.extend_from_slice(to_head);
        let to_tail = &rest[rest.len().saturating_sub(self.half)..];
        let overflow = (self.tail.len() + to_tail.len()).saturating_sub(self.half);
        self.tail.drain(..overflow);
        self.tail.extend(to_tail);
    }

    /// Returns how many bytes the stream had.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.total
    }

    /// Returns whether something was left out of the middle.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.total > (self.head.len() + self.tail.len()) as u64
    }

    /// Returns what was kept, with a mark where something is missing; bytes that are not UTF-8
    /// become U+FFFD, but a character is never cut in two.
    #[must_use]
    pub fn finish(mut self) -> String {
        let tail = self.tail.make_contiguous();
        if self.total <= (self.head.len() + tail.len()) as u64 {
            self.head.extend_from_slice(tail);
            return match String::from_utf8(self.head) {
                Ok(text) => text,
                Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
            };
        }
        let head = &self.head[..self.head.len() - cut_character_at_end(&self.head)];
        let tail = &tail[continuation_bytes(tail)..];
        let left_out = self.total - (head.len() + tail.len()) as u64;
        let head = String::from_utf8_lossy(head);
        let before = if head.ends_with('\n') { "" } else { "\n" };
        format!(
            "{head}{before}[… {left_out} bytes left out …]\n{}",
            String::from_utf8_lossy(tail)
        )
    }
}

/// Cuts a text to `limit_bytes` in the same way.
#[must_use]
pub fn cut(text: &str, limit_bytes: usize) -> String {
    let mut kept = HeadTail::new(limit_bytes);
    kept.push(text.as_bytes());
    kept.finish()
}

/// How many bytes at the end begin a character that is not complete.
fn cut_character_at_end(bytes: &[u8]) -> usize {
    let last = bytes
        .iter()
        .rev()
        .take(3)
        .position(|byte| byte & 0xC0 == 0xC0);
    match last {
        Some(back) => {
            let lead = bytes[bytes.len() - 1 - back];
            let needed = match lead {
                0xC0..=0xDF => 2,
                0xE0..=0xEF => 3,
                _ => 4,
            };
            if back + 1 < needed { back + 1 } else { 0 }
        }
        None => 0,
    }
}

/// How many bytes at the start belong to a character whose start is missing.
fn continuation_bytes(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .take(3)
        .take_while(|byte| **byte & 0xC0 == 0x80)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(limit: usize, pieces: &[&[u8]]) -> String {
        let mut output = HeadTail::new(limit);
        for piece in pieces {
            output.push(piece);
        }
        output.finish()
    }

    #[test]
    fn what_fits_comes_through_whole() {
        assert_eq!(kept(8, &[b"abc", b"", b"defgh"]), "abcdefgh");
        assert_eq!(kept(8, &[]), "");
        assert_eq!(kept(8, &[b"a\xffb"]), "a\u{fffd}b");
    }

    #[test]
    fn the_middle_is_cut_with_a_mark() {
        assert_eq!(
            kept(8, &[b"abcdefghi"]),
            "abcd\n[… 1 bytes left out …]\nfghi"
        );
        assert_eq!(
            kept(8, &[b"abc\n", b"xxxxxxxxxxxxx", b"yz"]),
            "abc\n[… 11 bytes left out …]\nxxyz"
        );
    }

    #[test]
    fn pieces_of_any_size_give_the_same() {
        let text: Vec<u8> = (0..1000_u32)
            .flat_map(|n| format!("{n} ").into_bytes())
            .collect();
        let whole = kept(100, &[&text]);
        for size in [1, 3, 7, 49, 50, 51, 500] {
            let pieces: Vec<&[u8]> = text.chunks(size).collect();
            assert_eq!(kept(100, &pieces), whole, "pieces of {size}");
        }
    }

    #[test]
    fn a_character_is_never_cut_in_two() {
        for limit in 2..40 {
            let text = kept(limit, &["aé€😀".repeat(20).as_bytes()]);
            assert!(!text.contains('\u{fffd}'), "limit {limit}: {text}");
        }
    }
}
