use super::*;

/// Plays a story of events (`;` between them) and compares what is done about each.
fn check(once: bool, story: &[(&str, &str)]) {
    let start = Instant::now();
    let mut now = start;
    let mut jobs = HostJobs::new(once);
    for (event, expected) in story {
        let event = read(event, &jobs, &mut now);
        let done: Vec<String> = jobs.step(now, event.clone()).iter().map(show).collect();
        assert_eq!(done.join("; "), *expected, "after {event:?} of {story:?}");
    }
}

fn read(text: &str, jobs: &HostJobs, now: &mut Instant) -> Event {
    let job = |name: &str| JobId(name.to_owned());
    let error = HostError {
        what: "rsync".into(),
        message: "refused".into(),
        command: String::new(),
        output: String::new(),
    };
    match text.split(' ').collect::<Vec<_>>()[..] {
        ["offer", name] => Event::Offered(job(name)),
        ["cancel", name] => Event::Cancelled(job(name)),
        ["ready", name] => Event::Prepared(job(name), Ok(())),
        ["unsynced", name] => Event::Prepared(
            job(name),
            Err(Unprepared::Failed(LeaveReason::SyncFailed, error)),
        ),
        ["over", name] => Event::Prepared(job(name), Err(Unprepared::JobIsOver)),
        ["aborted", name] => Event::Prepared(job(name), Err(Unprepared::Aborted)),
        ["unstarted"] => Event::ManagerNotStarted(error),
        ["exit", code] => Event::ManagerEnded(End::Exited(code.parse().unwrap()), String::new()),
        ["killed"] => Event::ManagerEnded(End::Signaled(9), String::new()),
        ["cleaned", name] => Event::Cleaned(job(name)),
        ["term"] => Event::Stopped,
        ["parent"] => Event::ParentGone,
        ["deadline"] => {
            *now = jobs.deadline().expect("a deadline");
            Event::DeadlinePassed
        }
        _ => panic!("{text}"),
    }
}

fn show(effect: &Effect) -> String {
    match effect {
        Effect::Answer(job, answer, _) => format!("answer {job} {answer:?}"),
        Effect::Prepare(job) => format!("prepare {job}"),
        Effect::AbortPreparation => "abort".into(),
        Effect::StartManager(job) => format!("manage {job}"),
        Effect::SignalManager(signal) => format!("signal {}", signal.short_name()),
        Effect::LetManagerGo => "let go".into(),
        Effect::KillManager => "kill".into(),
        Effect::EndLeftovers => "end leftovers".into(),
        Effect::ReportLeft(job, reason, error) => {
            format!(
                "left {job} {reason:?}{}",
                if error.is_some() { " with error" } else { "" }
            )
        }
        Effect::Clean(job) => format!("clean {job}"),
        Effect::Forget(job) => format!("forget {job}"),
        Effect::Exit(code) => format!("exit {code}"),
    }
}

#[test]
fn one_job_is_served_after_another() {
    check(
        false,
        &[
            ("offer a", "answer a Accepted; prepare a"),
            ("offer a", ""),
            ("offer b", "answer b Busy"),
            ("ready a", "manage a"),
            ("exit 0", "end leftovers; clean a"),
            ("cleaned a", "forget a; answer b Accepted; prepare b"),
            ("over b", "clean b"),
            ("cleaned b", "forget b"),
        ],
    );
}

#[test]
fn a_failure_to_prepare_is_reported() {
    check(
        false,
        &[
            ("offer a", "answer a Accepted; prepare a"),
            ("unsynced a", "left a SyncFailed with error; clean a"),
            ("cleaned a", "forget a"),
        ],
    );
}

#[test]
fn a_dead_manager_is_started_again_twice() {
    let managing = [
        ("offer a", "answer a Accepted; prepare a"),
        ("ready a", "manage a"),
    ];
    let story = [
        ("killed", "end leftovers; manage a"),
        ("exit 101", "end leftovers; manage a"),
        (
            "killed",
            "end leftovers; left a WorkersFailed with error; clean a",
        ),
    ];
    check(false, &[&managing[..], &story[..]].concat());
    check(
        false,
        &[
            &managing[..],
            &[(
                "exit 3",
                "end leftovers; left a WorkersFailed with error; clean a",
            )],
        ]
        .concat(),
    );
    check(
        false,
        &[&managing[..], &[("exit 4", "end leftovers; clean a")]].concat(),
    );
    check(
        false,
        &[
            &managing[..],
            &[("unstarted", "left a WorkersFailed with error; clean a")],
        ]
        .concat(),
    );
}

#[test]
fn a_cancel_ends_a_job_at_every_stage() {
    check(
        false,
        &[
            ("offer a", "answer a Accepted; prepare a"),
            ("offer b", "answer b Busy"),
            ("cancel b", "left b Cancelled; forget b"),
            ("cancel c", ""),
            ("cancel a", "abort"),
            ("ready a", "left a Cancelled; clean a"),
            ("cleaned a", "forget a"),
            ("offer d", "answer d Accepted; prepare d"),
            ("ready d", "manage d"),
            ("cancel d", "signal INT"),
            ("cancel d", ""),
            ("deadline", "kill"),
            ("killed", "end leftovers; left d Cancelled; clean d"),
        ],
    );
}

#[test]
fn a_stop_hands_back_and_ends() {
    check(false, &[("term", "exit 0")]);
    check(
        false,
        &[
            ("offer a", "answer a Accepted; prepare a"),
            ("offer b", "answer b Busy"),
            ("ready a", "manage a"),
            ("term", "left b Stopped; forget b; signal TERM"),
            ("offer c", "answer c Refused; forget c"),
            ("term", "kill"),
            ("killed", "end leftovers; left a Stopped; clean a"),
            ("cleaned a", "forget a; exit 0"),
        ],
    );
    check(
        false,
        &[
            ("offer a", "answer a Accepted; prepare a"),
            ("term", "abort"),
            ("aborted a", "left a Stopped; clean a"),
            ("cleaned a", "forget a; exit 0"),
        ],
    );
}

#[test]
fn the_end_of_the_parent_ends_everything() {
    check(true, &[("parent", "exit 0")]);
    check(
        true,
        &[
            ("offer a", "answer a Accepted; prepare a"),
            ("ready a", "manage a"),
            ("parent", "let go"),
            ("deadline", "kill"),
            ("killed", "end leftovers; left a Orphaned; clean a"),
            ("cleaned a", "forget a; exit 0"),
        ],
    );
    check(
        true,
        &[
            ("offer a", "answer a Accepted; prepare a"),
            ("ready a", "manage a"),
            ("exit 0", "end leftovers; clean a"),
            ("cleaned a", "forget a; exit 0"),
        ],
    );
}
