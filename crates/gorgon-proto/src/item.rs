//! What lies on the file queue: a file, or a file with some of its tests.

use serde::{Deserialize, Serialize};

/// Names one item of a job, from 0 on.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ItemId(pub u32);

impl std::fmt::Display for ItemId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// For fields that are left out of messages unless they say something.
pub(crate) fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// An item of a job. A message of the file queue holds one, or a bundle of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkItem {
    /// The item's id.
    pub item: ItemId,
    /// Which execution this is, from 1 on.
    pub attempt: u32,
    /// Path of the file, relative to the project, exactly as queued.
    pub filename: String,
    /// Only these tests of the file: RSpec example ids (`1:2:1`), or `Class#method`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<String>,
    /// A part of a file that was split: of the tests that a run of the whole file would have, only
    /// `tests`, or, where there are none, all but `except`. What the file defines is to be told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub part: bool,
    /// The tests of all other parts, in the part that takes what they leave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    /// Only the tests at these lines of the file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<u32>,
    /// To be run in a Ruby child that ran nothing before (a retry).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fresh: bool,
    /// Which retry of these tests this is; 0: none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retry: u32,
    /// To be run before it in the same Ruby child, one after another, as they were the first time; of
    /// these only what failed in them is told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<WorkItem>,
    /// Who should not take it: a worker, as `LISTENER:SLOT`, or all of a host, as `LISTENER`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avoid: Option<String>,
    /// Who alone should take it, named in the same way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// The filters that say which tests run do not apply: in the whole job they left out every test, and
    /// the suite wants all of them to run then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unfiltered: bool,
}

impl WorkItem {
    /// Returns whether it is a whole file as anybody may run it, in any Ruby child: only such items share a bundle.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let Self {
            item: _,
            attempt,
            filename: _,
            tests,
            part,
            except,
            lines,
            fresh,
            retry,
            before,
            avoid,
            only,
            unfiltered,
        } = self;
        let chosen = *part || *unfiltered || !tests.is_empty() || !except.is_empty();
        let once_more = *attempt > 1 || *fresh || *retry > 0 || avoid.is_some() || only.is_some();
        !chosen && lines.is_empty() && !once_more && before.is_empty()
    }

    /// Makes the first attempt of a whole file.
    #[must_use]
    pub fn whole(item: ItemId, filename: impl Into<String>) -> Self {
        Self {
            item,
            attempt: 1,
            filename: filename.into(),
            tests: Vec::new(),
            part: false,
            except: Vec::new(),
            lines: Vec::new(),
            fresh: false,
            retry: 0,
            before: Vec::new(),
            avoid: None,
            only: None,
            unfiltered: false,
        }
    }
}
