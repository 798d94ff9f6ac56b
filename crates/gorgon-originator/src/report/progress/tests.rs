//! Lines of progress, and the bar.

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::outcome::{Outcome, TestResult};

use crate::ledger::RetryResult;
use crate::report::kept::Kept;

use super::*;

fn results(done: usize, total: u32) -> Results {
    let work: Vec<_> = (0..total)
        .map(|n| WorkItem::whole(ItemId(n), "f"))
        .collect();
    let mut results = Results::new(&work);
    for item in 0..done {
        results.progress.close(ItemId(u32::try_from(item).unwrap()));
    }
    results
}

#[test]
fn the_bar_is_the_originals() {
    let check = |done, total, width, text: &str| {
        let bar = bar(&results(done, total), Duration::from_secs(62), width, false);
        assert_eq!(bar, text);
        assert!(bar.chars().count() < width.max(1));
    };
    check(
        42,
        100,
        80,
        " F: 0 H: 0 W: 0 | [===== 42 ======>                     ] 42/100 Time: 00:01:02",
    );
    check(
        0,
        10,
        60,
        " F: 0 H: 0 W: 0 | [>                  ] 0/10 Time: 00:01:02",
    );
    check(
        10,
        10,
        60,
        " F: 0 H: 0 W: 0 | [====== 100 ======>] 10/10 Time: 00:01:02",
    );
    check(5, 10, 20, " F: 0 H: 0 W: 0 | [");
    check(5, 10, 0, "");
}
#[test]
fn what_waits_for_a_retry_has_not_failed_yet() {
    let mut results = results(3, 3);
    let failed = results.files.get_mut(1).expect("there are three");
    failed.verdict = Some(Verdict::Failed);
    failed.tests = ["1:1", "1:2"]
        .map(|id| {
            Kept::from(&TestResult {
                key: None,
                group: None,
                id: id.to_owned(),
                name: id.to_owned(),
                classname: String::new(),
                file: String::new(),
                line: 0,
                outcome: Outcome::Failed,
                seconds: 0.0,
                exception: None,
                message: String::new(),
                backtrace: Vec::new(),
                output: String::new(),
                rerun: None,
            })
        })
        .to_vec();
    results.bad.push(ItemId(1));
    let mut check = |happening: Happening, head: &str| {
        results.take(Duration::ZERO, &happening);
        let line = line(&results, Duration::ZERO);
        assert!(line.starts_with(head), "{line}");
    };
    let (of, item) = (ItemId(1), ItemId(3));
    check(Happening::RetryWanted { of, tests: 2 }, "F: 0 R: 2 H: 0");
    let over = |tests| Happening::Retried {
        item,
        of,
        number: 1,
        ran: None,
        tests,
    };
    let gone = || RetryResult::Gone(String::new());
    check(over(vec![("1:1".to_owned(), gone())]), "F: 1 R: 1 H: 0");
    check(over(vec![("1:2".to_owned(), gone())]), "F: 1 H: 0");
}
