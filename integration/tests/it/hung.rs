//! Processes that neither go on nor end: stopped for ever. Nobody waits for them without a bound.

use std::time::Instant;

use integration::{
    cluster::Cluster,
    gate::{Gate, Visit},
    home::Home,
    processes,
    project::Project,
    run::{self, Finished, Run},
    wait::secs,
};

const FILES: [&str; 3] = ["spec/a_spec.rb", "spec/b_spec.rb", "spec/c_spec.rb"];
const LIMITS: &str = r#"{ "files": ["spec/*_spec.rb"], "file_timeout": 5, "callback_timeout": 3 }"#;

/// Three files; the first waits at the gate.
fn project(home: &Home, gate: &Gate) -> Project {
    let project = Project::of(home, &[("gorgon.json", LIMITS)]);
    for (nth, file) in FILES.iter().enumerate() {
        let body = if nth == 0 {
            "Gate.pass('a')"
        } else {
            "expect(1).to eq 1"
        };
        project.write(
            file,
            &format!(
                "require_relative '../gate'\nRSpec.describe('x') {{ it('runs') {{ {body} }} }}\n"
            ),
        );
    }
    gate.write_into(&project);
    project
}

/// What becomes of the attempt that ran when something was stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum First {
    /// It goes on.
    GoesOn,
    /// It runs into its limit.
    Waits,
}

/// Stops what `victim` names while the first file runs; every further attempt is let through.
fn stopped(
    home: &Home,
    gate: &Gate,
    run: Run,
    (what, first): (&str, First),
    victim: impl FnOnce(&Visit, u32) -> u32,
) -> Finished {
    let visit = gate.next();
    let worker = run.item_started(FILES[0])["pid"].as_u64().unwrap();
    let victim = victim(&visit, u32::try_from(worker).unwrap());
    processes::signal(victim, "STOP");
    let since = Instant::now();
    let waiting = match first {
        First::GoesOn => {
            visit.release();
            None
        }
        First::Waits => Some(visit),
    };
    let finished = std::thread::scope(|scope| {
        let (over, ended) = crossbeam_channel::bounded::<()>(0);
        scope.spawn(move || {
            let mut visits = vec![];
            while ended.try_recv() == Err(crossbeam_channel::TryRecvError::Empty) {
                if let Some(again) = gate.next_within(std::time::Duration::from_millis(50)) {
                    println!("{what}: the file runs again after {:?}", since.elapsed());
                    visits.push(again);
                }
                visits.drain(..).for_each(Visit::release);
            }
        });
        let finished = run.finished(secs(110));
        drop(over);
        finished
    });
    println!("{what}: over after {:?}", since.elapsed());
    drop(waiting);
    home.assert_nothing_left_within(secs(30));
    println!("{what}: nothing is left after {:?}", since.elapsed());
    finished
}

fn in_place(what: (&str, First), victim: impl FnOnce(&Home, &Visit, u32) -> u32) -> Finished {
    let home = Home::new();
    let gate = Gate::open(&home);
    let project = project(&home, &gate);
    let run = run::start(&home, &project, &["--local=2"]);
    stopped(&home, &gate, run, what, |visit, worker| {
        victim(&home, visit, worker)
    })
}

fn others_passed(run: &Finished) {
    for file in &FILES[1..] {
        run.verdict(file, "passed");
    }
}

fn preloader(home: &Home) -> u32 {
    let manager = home.process("gorgon-worker-manager").pid;
    let all = home.processes();
    let preloader = all
        .iter()
        .find(|it| it.parent == manager && it.arguments.contains("boot.rb"));
    preloader.unwrap_or_else(|| panic!("{all:#?}")).pid
}

/// In place the broker waits three minutes, for who swaps or sleeps is not dead.
#[test]
fn a_worker_that_hangs_loses_its_file_to_another_host() {
    let cluster = Cluster::start(&[("a", 1), ("b", 1)]);
    let gate = Gate::open(cluster.home());
    let run = cluster.begin(&project(cluster.home(), &gate), &[]);
    let visit = gate.next();
    let start = run.item_started(FILES[0]);
    let worker = u32::try_from(start["pid"].as_u64().unwrap()).unwrap();
    processes::signal(worker, "STOP");
    let since = Instant::now();
    let again = gate.next_within(secs(60)).expect("the file runs elsewhere");
    println!(
        "worker: the file runs elsewhere after {:?}",
        since.elapsed()
    );
    again.release();
    let run = run.finished(secs(60));
    println!("worker: over after {:?}", since.elapsed());
    run.exited(0).verdict(FILES[0], "passed");
    assert_eq!(run.file(FILES[0])["attempts"], 2);
    assert_ne!(run.file(FILES[0])["hostname"], start["hostname"]);
    others_passed(&run);
    visit.closed_within(secs(40));
    cluster.assert_nothing_left();
    println!("worker: nothing is left after {:?}", since.elapsed());
}

#[test]
fn a_ruby_child_that_hangs_is_killed_at_the_files_limit() {
    let run = in_place(("Ruby child", First::Waits), |_, visit, _| visit.who.pid);
    run.exited(1).verdict(FILES[0], "timed_out");
    others_passed(&run);
}

#[test]
fn a_preloader_or_its_branch_that_hangs_is_killed_and_started_again() {
    for (what, branch) in [("preloader", false), ("branch", true)] {
        let run = in_place((what, First::Waits), |home, visit, _| {
            if branch {
                visit.who.parent
            } else {
                preloader(home)
            }
        });
        run.exited(0).verdict(FILES[0], "passed");
        // Nobody but the file may have stopped it: that costs an attempt.
        assert_eq!(run.file(FILES[0])["attempts"], 2);
        others_passed(&run);
    }
}

#[test]
fn the_end_does_not_wait_for_a_preloader_or_branch_that_hangs() {
    for (what, branch) in [("preloader at the end", false), ("branch at the end", true)] {
        let run = in_place((what, First::GoesOn), |home, visit, _| {
            if branch {
                visit.who.parent
            } else {
                preloader(home)
            }
        });
        run.exited(0).verdict(FILES[0], "passed");
        others_passed(&run);
    }
}

#[test]
fn a_manager_that_hangs_is_written_off() {
    let run = in_place(("manager", First::GoesOn), |home, _, _| {
        home.process("gorgon-worker-manager").pid
    });
    run.exited(0).verdict(FILES[0], "passed");
    others_passed(&run);
}

#[test]
fn a_listener_that_hangs_is_ended_with_a_local_run() {
    let run = in_place(("listener", First::GoesOn), |home, _, _| {
        home.process("gorgon-listener").pid
    });
    run.exited(0).verdict(FILES[0], "passed");
    others_passed(&run);
}
