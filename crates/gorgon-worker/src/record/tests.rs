use super::*;
use gorgon_proto::item::ItemId;
use gorgon_proto::job::ListenerId;
use gorgon_proto::outcome::Outcome;
use std::time::Duration;

fn me() -> Identity {
    Identity {
        hostname: "web".into(),
        listener_id: ListenerId("L1".into()),
        worker_id: 2,
        pid: 9,
        manager_pid: 8,
        test_env_number: 2,
    }
}

fn result(outcome: Outcome) -> TestResult {
    TestResult {
        key: None,
        group: None,
        id: "1:1".into(),
        name: "adds".into(),
        classname: "Sum".into(),
        file: "a_spec.rb".into(),
        line: 3,
        outcome,
        seconds: 0.1,
        exception: None,
        message: "expected 3".into(),
        backtrace: vec![],
        output: String::new(),
        rerun: None,
    }
}

fn record() -> (Record, Instant) {
    let now = Instant::now();
    let mut record = Record::open(WorkItem::whole(ItemId(4), "a_spec.rb"), now);
    record.given_to(1, now, Framework::Rspec, Vec::new());
    (record, now)
}

#[test]
fn the_type_follows_from_tests_and_errors() {
    for (outcome, kind) in [
        (Outcome::Passed, FinishType::Pass),
        (Outcome::Skipped, FinishType::Pass),
        (Outcome::Failed, FinishType::Fail),
        (Outcome::Errored, FinishType::Fail),
    ] {
        let (mut record, now) = record();
        record.test_finished(result(outcome));
        record.ended(0.5, None, "printed".into());
        let finish = record.close(&me(), now + Duration::from_secs(1), How::Finished);
        assert_eq!(finish.kind, kind, "{outcome:?}");
        assert_eq!(finish.output.is_empty(), kind == FinishType::Pass);
        assert!((finish.runtime - 1.0).abs() < 1e-9);
    }
}

#[test]
fn no_file_passes_of_which_a_result_may_be_missing() {
    let (mut record, now) = record();
    record.test_finished(result(Outcome::Passed));
    record.unread("invalid value".into());
    let finish = record.close(&me(), now, How::Finished);
    assert_eq!(finish.kind, FinishType::Fail);
    assert!(finish.errors[0].message.ends_with("missing: invalid value"));
}

#[test]
fn a_crash_names_the_running_test_and_keeps_the_finished_ones() {
    let (mut record, now) = record();
    record.test_finished(result(Outcome::Passed));
    record.test_started("divides".into());
    let how = How::Crashed {
        end: "SIGKILL".into(),
        output: "boom".into(),
    };
    let finish = record.close(&me(), now, how);
    assert_eq!(finish.kind, FinishType::Crash);
    assert_eq!(finish.tests.len(), 1);
    assert_eq!(finish.errors[0].test.as_deref(), Some("divides"));
    assert_eq!(finish.output, "boom");
    assert_eq!(finish.failures, ["crash: the Ruby child ended: SIGKILL"]);
}

#[test]
fn the_worker_measures_a_file_whose_child_told_no_time() {
    let secs = Duration::from_secs;
    let crashed = || How::Crashed {
        end: "SIGKILL".into(),
        output: String::new(),
    };
    // Its child got it 2 s after it had arrived.
    let (mut record, now) = record();
    record.given_to(2, now + secs(2), Framework::Rspec, Vec::new());
    let finish = record.clone().close(&me(), now + secs(5), crashed());
    assert_eq!((finish.runtime, finish.time), (5.0, 3.0));
    record.ended(0.5, None, String::new());
    // In a bundle the next one began when this one ended, even if the worker hears of it later.
    let next = record.next_began_at(now + secs(4));
    assert_eq!(next, now + Duration::from_millis(2_500));
    let finish = record.clone().close(&me(), now + secs(4), How::Finished);
    assert_eq!(finish.time, 0.5);
    // What an earlier child told does not count.
    record.given_to(3, now + secs(6), Framework::Rspec, Vec::new());
    let finish = record.close(&me(), now + secs(7), crashed());
    assert_eq!(finish.time, 1.0);
    for foreign in [-1.0, f64::NAN, f64::MAX] {
        let (mut record, now) = self::record();
        record.ended(foreign, None, String::new());
        assert_eq!(record.next_began_at(now), now, "{foreign}");
    }
}

#[test]
fn avoid_names_a_listener_or_one_of_its_slots() {
    for (avoid, named) in [
        ("L1:2", true),
        ("L1", true),
        ("L1:3", false),
        ("L12:2", false),
        ("L12", false),
    ] {
        assert_eq!(me().is_named_by(avoid), named, "{avoid}");
    }
}

#[test]
fn a_file_of_which_results_were_lost_has_not_passed() {
    for (told, lost) in [
        (Some((1, 0)), false),
        (None, false),
        (Some((2, 0)), true),
        (Some((1, 1)), true),
    ] {
        let (mut record, now) = record();
        record.test_finished(result(Outcome::Passed));
        record.ended(0.5, told, String::new());
        let finish = record.close(&me(), now, How::Finished);
        assert_eq!(finish.kind == FinishType::Fail, lost, "{told:?}");
        let text = finish.errors.first().map(|error| error.message.as_str());
        assert_eq!(text.is_some_and(|it| it.contains("but 1 arrived")), lost);
    }
}
