//! Messages that the broker has not confirmed, and what becomes of one that it finds too large. Pure.
//!
//! A message of several replies that is too large goes out again as one message for each: none of them need be at fault.
//! A single reply is cut (`proto/lean.rs`). The core knows the first message only: that is confirmed when all of its parts
//! are.

use std::collections::{BTreeMap, BTreeSet};

use gorgon_proto::lean::Outgoing;

/// Marks the tag of a `start` that goes out beside the message of that tag.
pub const OF_START: u64 = 1 << 63;
/// The number of a part stands above the tag of the whole message.
const PART_SHIFT: u32 = 40;
const WHOLE: u64 = OF_START | ((1 << PART_SHIFT) - 1);

/// All messages on their way, by tag.
#[derive(Debug, Default)]
pub struct Unconfirmed {
    messages: BTreeMap<u64, Outgoing>,
    /// By message that was split: the tags of its parts that are not confirmed.
    parts: BTreeMap<u64, BTreeSet<u64>>,
}

impl Unconfirmed {
    /// Notes a message that goes out.
    pub fn insert(&mut self, tag: u64, message: Outgoing) {
        self.messages.insert(tag, message);
    }

    /// The broker has a message. Returns the tag of the one that the core knows, if the broker has all of that.
    pub fn confirmed(&mut self, tag: u64) -> Option<u64> {
        self.messages.remove(&tag);
        let whole = tag & WHOLE;
        match self.parts.get_mut(&whole) {
            Some(parts) => {
                parts.remove(&tag);
                if !parts.is_empty() {
                    return None;
                }
                self.parts.remove(&whole);
                Some(whole)
            }
            None => Some(whole),
        }
    }

    /// Returns the tag of the message that the core knows.
    #[must_use]
    pub fn whole(tag: u64) -> u64 {
        tag & WHOLE
    }

    /// The broker does not take a message. Returns what goes out instead, which is empty if not even its least is taken;
    /// none if the message is not known any more.
    pub fn too_large(&mut self, tag: u64) -> Option<Vec<(u64, Vec<u8>)>> {
        let message = self.messages.get_mut(&tag)?;
        let parts = message.split();
        if parts.len() > 1 {
            self.messages.remove(&tag);
            let tags = (1..).map(|number: u64| tag | number << PART_SHIFT);
            let parts: Vec<(u64, Outgoing)> = tags.zip(parts).collect();
            let sent = parts.iter().map(|(tag, part)| (*tag, part.body()));
            let sent = sent.collect();
            self.parts
                .insert(tag, parts.iter().map(|(tag, _)| *tag).collect());
            self.messages.extend(parts);
            return Some(sent);
        }
        if message.make_leaner() {
            return Some(vec![(tag, message.body())]);
        }
        self.messages.remove(&tag);
        Some(Vec::new())
    }

    /// Returns what goes out again for a message that the core knows.
    #[must_use]
    pub fn again(&self, tag: u64) -> Vec<(u64, Vec<u8>)> {
        let one = BTreeSet::from([tag]);
        let tags = self.parts.get(&tag).unwrap_or(&one).iter();
        tags.filter_map(|tag| Some((*tag, self.messages.get(tag)?.body())))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use gorgon_proto::job::ListenerId;
    use gorgon_proto::message::{Reply, Warning, read_replies};

    use super::*;

    fn warning(message: &str) -> Reply {
        Reply::Warning(Warning {
            hostname: "a".to_owned(),
            listener_id: ListenerId("L".to_owned()),
            worker_id: Some(1),
            message: message.to_owned(),
        })
    }

    fn replies(sent: &[(u64, Vec<u8>)]) -> Vec<Reply> {
        sent.iter()
            .flat_map(|(_, body)| read_replies(body).unwrap())
            .collect()
    }

    #[test]
    fn a_message_of_several_replies_is_split_before_anything_is_cut() {
        let all = [warning("one"), warning("two"), warning("three")];
        let mut unconfirmed = Unconfirmed::default();
        unconfirmed.insert(7, Outgoing::new(&all));
        let sent = unconfirmed.too_large(7).unwrap();
        assert_eq!((sent.len(), replies(&sent)), (3, all.to_vec()));
        let tags: Vec<u64> = sent.iter().map(|(tag, _)| *tag).collect();
        assert!(tags.iter().all(|tag| Unconfirmed::whole(*tag) == 7));
        // In any order, and one of them twice.
        assert_eq!(unconfirmed.confirmed(tags[1]), None);
        assert_eq!(unconfirmed.confirmed(tags[1]), None);
        assert_eq!(unconfirmed.again(7).len(), 2);
        assert_eq!(unconfirmed.confirmed(tags[2]), None);
        assert_eq!(unconfirmed.confirmed(tags[0]), Some(7));
        assert_eq!(unconfirmed.again(7), []);
    }

    #[test]
    fn a_single_reply_is_cut_until_nothing_is_left() {
        let mut unconfirmed = Unconfirmed::default();
        unconfirmed.insert(3, Outgoing::new(&[warning(&"x".repeat(4000))]));
        let sent = unconfirmed.too_large(3).unwrap();
        assert_eq!(sent.len(), 1);
        assert!(sent[0].1.len() < 4000);
        assert_eq!(unconfirmed.again(3), sent);
        while !unconfirmed.too_large(3).unwrap().is_empty() {}
        assert_eq!(unconfirmed.too_large(3), None);
        assert_eq!(unconfirmed.again(3), []);
    }

    #[test]
    fn the_start_beside_a_finish_is_a_message_of_its_own() {
        let mut unconfirmed = Unconfirmed::default();
        unconfirmed.insert(5 | OF_START, Outgoing::new(&[warning("start")]));
        unconfirmed.insert(5, Outgoing::new(&[warning("finish")]));
        assert_eq!(unconfirmed.confirmed(5 | OF_START), Some(5 | OF_START));
        assert_eq!(unconfirmed.confirmed(5), Some(5));
    }
}
