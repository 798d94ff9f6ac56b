//! Which files are run in parts, and which tests each part gets. Pure.
//!
//! A **piece** is what is never cut: a test, or a group of them. Pieces are packed into **parts**, the
//! longest first, each into the part that is shortest so far. Automatically a file is split only where
//! that makes the job shorter: the job is laid out on its slots as the queue would do it, with smaller
//! and smaller parts, until it ends about when it could at best.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

/// A job that ends within this share of the best possible time is short enough …
const CLOSE: f64 = 1.02;
/// … and nothing is split where less than this is to be won, in seconds.
const LEAST_GAIN_S: f64 = 0.1;
/// No part is made to be shorter than this, in seconds.
const LEAST_PART_S: f64 = 0.02;
/// A part is so much of a slot's fair share at most: what the history is wrong about evens out.
const PARTS_OF_SHARE: f64 = 4.0;
/// Files that are longer than the fair share divided by these are split, one after another.
const THRESHOLDS: [f64; 4] = [1.0, 2.0, 4.0, 8.0];

/// Tests that are never torn apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// Their ids.
    pub tests: Vec<String>,
    /// How long they took together.
    pub seconds: f64,
}

/// What is known of a file that was not changed since its tests ran.
#[derive(Debug, Clone, PartialEq)]
pub struct Pieces {
    /// How long it takes to load it.
    pub load: f64,
    /// All its tests.
    pub pieces: Vec<Piece>,
}

/// When files are split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Splitting {
    /// Never.
    Never,
    /// Those that took longer than this number of seconds, into parts of about that length.
    Over(f64),
    /// Those that keep slots waiting.
    Automatic {
        /// How many tests run at once.
        slots: usize,
    },
}

/// A file, as the split sees it.
#[derive(Debug, Clone, Copy)]
pub struct Whole<'a> {
    /// How long it takes as a whole.
    pub seconds: f64,
    /// What it may be cut into.
    pub pieces: Option<&'a Pieces>,
}

/// Returns the parts of each file; none where it stays whole.
#[must_use]
pub fn split(files: &[Whole<'_>], splitting: Splitting) -> Vec<Vec<Piece>> {
    match splitting {
        Splitting::Never => vec![Vec::new(); files.len()],
        Splitting::Over(limit) => cut(files, limit, |_| limit),
        Splitting::Automatic { slots } => as_needed(files, slots),
    }
}

fn as_needed(files: &[Whole<'_>], slots: usize) -> Vec<Vec<Piece>> {
    let whole = vec![Vec::new(); files.len()];
    if slots < 2 || files.iter().all(|file| file.pieces.is_none()) {
        return whole;
    }
    let total: f64 = files.iter().map(|file| file.seconds).sum();
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let share = total / slots as f64;
    let best = files.iter().map(longest_piece).fold(share, f64::max);
    let unsplit = makespan(files, &whole, slots);
    let mut shortest = (unsplit, whole);
    for threshold in THRESHOLDS {
        if shortest.0 <= best * CLOSE || shortest.0 - best < LEAST_GAIN_S {
            break;
        }
        let part = share / (2.0 * threshold).max(PARTS_OF_SHARE);
        // Nor shorter than it takes to load the file.
        let limit = |known: &Pieces| part.max(known.load).max(LEAST_PART_S);
        let parts = cut(files, share / threshold, limit);
        let ends = makespan(files, &parts, slots);
        if ends < shortest.0 {
            shortest = (ends, parts);
        }
    }
    if unsplit - shortest.0 < LEAST_GAIN_S {
        return vec![Vec::new(); files.len()];
    }
    shortest.1
}

fn longest_piece(file: &Whole<'_>) -> f64 {
    let Some(known) = file.pieces else {
        return file.seconds;
    };
    let pieces = known.pieces.iter().map(|piece| piece.seconds);
    known.load + pieces.fold(0.0, f64::max)
}

/// Cuts the files that are longer than `over` into parts of `limit` seconds, or a little more.
fn cut(files: &[Whole<'_>], over: f64, limit: impl Fn(&Pieces) -> f64) -> Vec<Vec<Piece>> {
    let parts = |file: &Whole<'_>| match file.pieces {
        Some(known) if file.seconds > over => pack(known, limit(known)),
        Some(_) | None => Vec::new(),
    };
    files.iter().map(parts).collect()
}

/// Packs the pieces of a file into parts of about `limit` seconds; none where one would hold them all.
fn pack(known: &Pieces, limit: f64) -> Vec<Piece> {
    let mut pieces: Vec<&Piece> = known.pieces.iter().collect();
    pieces.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    let alone = pieces.iter().take_while(|piece| piece.seconds >= limit);
    let alone = alone.count();
    let rest: f64 = pieces[alone..].iter().map(|piece| piece.seconds).sum();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bounded by the number of pieces"
    )]
    let others = (rest / limit).ceil() as usize;
    let others = others.clamp(usize::from(pieces.len() > alone), pieces.len() - alone);
    let count = alone + others;
    if count < 2 {
        return Vec::new();
    }
    let mut parts = vec![
        Piece {
            tests: Vec::new(),
            seconds: 0.0,
        };
        count
    ];
    for piece in pieces {
        let shortest = parts
            .iter_mut()
            .min_by(|a, b| {
                let seconds = a.seconds.total_cmp(&b.seconds);
                seconds.then(a.tests.len().cmp(&b.tests.len()))
            })
            .expect("there are two at least");
        shortest.seconds += piece.seconds;
        shortest.tests.extend_from_slice(&piece.tests);
    }
    parts.retain(|part| !part.tests.is_empty());
    if parts.len() < 2 {
        return Vec::new();
    }
    // In the order of the file, for those who read it.
    let place: std::collections::HashMap<&str, usize> = known
        .pieces
        .iter()
        .flat_map(|piece| &piece.tests)
        .enumerate()
        .map(|(place, id)| (id.as_str(), place))
        .collect();
    for part in &mut parts {
        part.tests.sort_by_key(|id| place.get(id.as_str()));
    }
    parts.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    parts
}

/// Returns when the last slot ends: each takes what is next, the longest first. A process loads a file
/// once, for all its parts.
fn makespan(files: &[Whole<'_>], parts: &[Vec<Piece>], slots: usize) -> f64 {
    // Seconds, what comes on top where the file is not loaded, and the file.
    let mut items: Vec<(f64, f64, usize)> = Vec::new();
    for (number, (file, parts)) in files.iter().zip(parts).enumerate() {
        if parts.is_empty() {
            items.push((file.seconds, 0.0, number));
        }
        let load = file.pieces.map_or(0.0, |known| known.load);
        items.extend(parts.iter().map(|part| (part.seconds, load, number)));
    }
    items.sort_by(|a, b| (b.0 + b.1).total_cmp(&(a.0 + a.1)));
    let mut queue: BinaryHeap<Reverse<(Ordered, usize)>> = (0..slots)
        .map(|slot| Reverse((Ordered(0.0), slot)))
        .collect();
    let mut loaded: Vec<HashSet<usize>> = vec![HashSet::new(); slots];
    let mut end = 0.0f64;
    for (seconds, load, file) in items {
        let Some(Reverse((Ordered(free), slot))) = queue.pop() else {
            break;
        };
        let load = if load > 0.0 && loaded[slot].insert(file) {
            load
        } else {
            0.0
        };
        let until = free + seconds + load;
        end = end.max(until);
        queue.push(Reverse((Ordered(until), slot)));
    }
    end
}

/// Seconds in their order.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Ordered(f64);

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

#[cfg(test)]
mod tests;
