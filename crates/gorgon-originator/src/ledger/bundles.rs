//! What goes to the file queue next: an item of the plan, or a bundle of small ones. A pure sub-state.
//!
//! Each message costs a worker and us about as much as a small file does. So files that the history knows to be small
//! share a message; without a history, as soon as the first files of this run were small. For that the plan is published
//! bit by bit: only so far ahead that no worker waits. So a slot in which files fail at once gets no more of them than
//! that before it is suspected, and none while probes wait. Towards the end the bundles become smaller, so that all workers
//! end at about the same time; the last messages hold one item each.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::job::ListenerId;
use gorgon_proto::message::Finish;
use gorgon_proto::outcome::FinishType;

/// Longest time, in seconds, that a file of a bundle is expected to take.
pub const SMALL_S: f64 = 0.010;
/// Longest time, in seconds, that all files of a bundle are expected to take together.
pub(super) const BUNDLE_S: f64 = 0.025;
/// Maximum number of files in a bundle.
pub(super) const MOST_FILES: usize = 50;
/// Number of messages that lie ahead on the file queue for each slot, and besides.
const AHEAD: (usize, usize) = (4, 4);
/// Minimum number of bundles that the files that wait must still give each slot. It makes bundles small near the end.
const ROUNDS: f64 = 2.0;
/// Number of files that must have ended before a job without a history makes bundles.
const SEEN: usize = 8;
/// Number of latest files by which the time of the next one is guessed: it is taken to be as slow as the slowest of them.
const LATEST: usize = 16;

/// The items that are not on the file queue yet, and those that share a message there.
#[derive(Debug, Default)]
pub(super) struct Bundles {
    waiting: VecDeque<ItemId>,
    /// How long each item of the plan took in an earlier job, in seconds.
    seconds: Vec<Option<f64>>,
    /// How many slots the job will have, if that is known.
    expected_slots: usize,
    /// Each item has a message of its own.
    singly: bool,
    /// Known seconds of the items that wait, and number of those without a known time.
    left: (f64, usize),
    /// Seconds of the latest files of this job of which nothing was known.
    latest: VecDeque<f64>,
    /// Ruby children that have run a file, by listener, slot and number.
    begun: HashSet<(ListenerId, u32, u32)>,
    /// The first item of each message that nobody has begun.
    heads: BTreeSet<ItemId>,
    of: HashMap<ItemId, usize>,
    bundles: Vec<Vec<ItemId>>,
}

impl Bundles {
    /// Takes the items that will be published, in order, what is known of the time of each item of the plan, and of the
    /// number of slots.
    pub(super) fn new(
        waiting: VecDeque<ItemId>,
        seconds: Vec<Option<f64>>,
        expected_slots: usize,
    ) -> Self {
        let mut bundles = Self {
            seconds,
            expected_slots,
            ..Self::default()
        };
        for id in &waiting {
            let (known, unknown) = bundles.left;
            bundles.left = match bundles.known(*id) {
                Some(seconds) => (known + seconds, unknown),
                None => (known, unknown + 1),
            };
        }
        bundles.waiting = waiting;
        bundles
    }

    /// Each item gets a message of its own.
    pub(super) fn singly(self) -> Self {
        Self {
            singly: true,
            ..self
        }
    }

    fn known(&self, id: ItemId) -> Option<f64> {
        self.seconds.get(id.0 as usize).copied().flatten()
    }

    /// How long a file of which nothing is known will take, if this job's own files tell.
    fn guess(&self) -> Option<f64> {
        let slowest = self.latest.iter().copied().fold(0.0, f64::max);
        (self.latest.len() >= SEEN).then_some(slowest)
    }

    pub(super) fn any_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// An item ended. The first one of a Ruby child says nothing of the others: it loads what they share.
    pub(super) fn ended(&mut self, finish: &Finish) {
        if self.waiting.is_empty() || self.known(finish.item).is_some() {
            return;
        }
        let child = (finish.listener_id.clone(), finish.worker_id, finish.child);
        // Nor does one that failed: it may do so at once, where something is missing.
        if self.begun.insert(child) || finish.kind != FinishType::Pass {
            return;
        }
        self.latest.push_back(finish.time.max(finish.runtime));
        if self.latest.len() > LATEST {
            self.latest.pop_front();
        }
    }

    /// An item is no longer on the file queue, or goes there anew, alone.
    pub(super) fn left_queue(&mut self, id: ItemId) {
        self.heads.remove(&id);
    }

    /// Returns the items of the bundle that an item shares, with it.
    pub(super) fn mates(&self, id: ItemId) -> &[ItemId] {
        self.of.get(&id).map_or(&[], |place| &self.bundles[*place])
    }

    /// Returns whether two items share a bundle.
    pub(super) fn are_mates(&self, a: ItemId, b: ItemId) -> bool {
        let place = self.of.get(&a);
        place.is_some() && place == self.of.get(&b)
    }

    /// An item is published by itself from now on.
    pub(super) fn dissolve(&mut self, id: ItemId) {
        self.heads.remove(&id);
        self.of.remove(&id);
    }

    /// Takes the items of the next message, if the queue is short of messages for so many slots. `most`: so many messages
    /// may lie there now, with one item each.
    pub(super) fn next(
        &mut self,
        slots: usize,
        most: Option<usize>,
        waits: impl Fn(ItemId) -> bool,
        plain: impl Fn(ItemId) -> bool,
    ) -> Vec<ItemId> {
        let slots = slots.max(self.expected_slots);
        let (each, besides) = AHEAD;
        if self.heads.len() >= most.unwrap_or(each * slots + besides) {
            return Vec::new();
        }
        let guess = self.guess();
        let singly = self.singly || most.is_some();
        #[expect(clippy::cast_precision_loss, reason = "numbers of files and slots")]
        let limit = {
            let unknown = self.left.1 as f64 * guess.unwrap_or(BUNDLE_S);
            let share = (self.left.0 + unknown) / (ROUNDS * slots.max(1) as f64);
            share.min(BUNDLE_S)
        };
        let mut items: Vec<ItemId> = Vec::new();
        let mut sum = 0.0;
        while let Some(id) = self.waiting.front().copied() {
            let known = self.known(id);
            let small = known
                .or(guess)
                .filter(|seconds| !singly && *seconds < SMALL_S && plain(id));
            let fits = small.is_some_and(|seconds| sum + seconds <= limit);
            if !items.is_empty() && (!fits || items.len() >= MOST_FILES) {
                break;
            }
            self.waiting.pop_front();
            match known {
                Some(seconds) => self.left.0 = (self.left.0 - seconds).max(0.0),
                None => self.left.1 -= 1,
            }
            if !waits(id) {
                continue;
            }
            items.push(id);
            let Some(seconds) = small else { break };
            sum += seconds;
        }
        if let Some(head) = items.first() {
            self.heads.insert(*head);
        }
        if items.len() > 1 {
            for id in &items {
                self.of.insert(*id, self.bundles.len());
            }
            self.bundles.push(items.clone());
        }
        items
    }
}

/// Makes the message of these items.
pub(super) fn message_of(mut items: Vec<WorkItem>) -> super::Effect {
    match items.len() {
        1 => super::Effect::Publish(items.remove(0)),
        _ => super::Effect::PublishBundle(items),
    }
}

#[cfg(test)]
mod tests {
    use gorgon_proto::message::{self, Reply};

    use super::*;

    fn finish(item: ItemId, time: f64) -> Finish {
        let body = serde_json::json!({
            "action": "finish", "hostname": "a", "listener_id": "a", "worker_id": 1, "pid": 2,
            "filename": "f", "item": item, "attempt": 1, "type": "pass", "runtime": time,
            "time": time, "tests": [], "failures": [], "child": 1,
        });
        match message::read_reply(body.to_string().as_bytes()) {
            Ok(Reply::Finish(finish)) => *finish,
            other => panic!("{other:?}"),
        }
    }

    /// The messages that a plan of files makes, given in milliseconds, `?` if unknown; each is begun at once. `seen`: how long
    /// this job's own files take.
    #[track_caller]
    fn check(slots: usize, files: &str, seen: f64, messages: &str) {
        let seconds: Vec<Option<f64>> = files
            .split_whitespace()
            .map(|ms| ms.parse::<f64>().ok().map(|ms| ms / 1000.0))
            .collect();
        let waiting = (0..u32::try_from(seconds.len()).unwrap()).map(ItemId);
        let mut bundles = Bundles::new(waiting.collect(), seconds, 0);
        let mut shown = Vec::new();
        while bundles.any_waiting() {
            let items = bundles.next(slots, None, |_| true, |_| true);
            shown.push(items.len().to_string());
            for id in items {
                bundles.left_queue(id);
                bundles.ended(&finish(id, seen / 1000.0));
            }
        }
        assert_eq!(shown.join(" "), messages, "{files}");
    }

    #[test]
    fn small_files_share_a_message_and_the_last_messages_are_small() {
        check(1, "50 40 30", 0.0, "1 1 1");
        check(1, &"9 ".repeat(20), 0.0, "2 2 2 2 2 2 2 2 2 1 1");
        check(2, &"1 ".repeat(60), 0.0, "15 11 8 6 5 3 3 2 1 1 1 1 1 1 1");
        check(1, "90 9 9 1 1 1 1 1 1 1 1", 0.0, "1 1 1 3 2 1 1 1");
        check(1, "10 10 10", 0.0, "1 1 1");
    }

    #[test]
    fn without_a_history_this_jobs_own_files_tell() {
        let files = "? ".repeat(30);
        check(1, &files, 1.0, "1 1 1 1 1 1 1 1 1 10 5 3 1 1 1");
        check(1, &files, 12.0, &["1"; 30].join(" "));
    }

    #[test]
    fn singly_no_files_share_a_message() {
        let waiting = (0..9).map(ItemId).collect();
        let mut bundles = Bundles::new(waiting, vec![Some(0.001); 9], 1).singly();
        while bundles.any_waiting() {
            let items = bundles.next(1, None, |_| true, |_| true);
            assert_eq!(items.len(), 1);
            bundles.left_queue(items[0]);
        }
    }

    #[test]
    fn only_so_much_is_published_ahead() {
        let waiting = (0..100).map(ItemId).collect();
        let mut bundles = Bundles::new(waiting, vec![Some(1.0); 100], 0);
        let mut count = 0;
        while !bundles.next(2, None, |_| true, |_| true).is_empty() {
            count += 1;
        }
        assert_eq!(count, 12);
        bundles.left_queue(ItemId(0));
        assert_eq!(bundles.next(2, None, |_| true, |_| true), [ItemId(12)]);
        assert_eq!(bundles.next(2, None, |_| true, |_| true), []);
    }
}
