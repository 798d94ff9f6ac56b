//! How a host's part in a job is ended from outside.

use gorgon_broker::Publish;
use gorgon_process::signals::Signal;
use gorgon_proto::message::Control;

use super::*;

#[test]
fn a_cancel_stops_the_file_and_runs_the_callbacks_of_the_end() {
    let (mut stage, gate) = gated();
    let visit = gate.next();
    let job = stage.job.clone();
    let cancel = message::write(&Control::CancelJob { job: job.clone() });
    stage.session().publish(Publish::to_exchange(
        names::CONTROL_EXCHANGE,
        job.0,
        cancel,
        1000,
    ));
    visit.closed();
    assert_eq!(stage.action("host_left")["reason"], "cancelled");
    assert_eq!(stage.ended(secs(20)), 0);
    assert_eq!(
        stage.hooks(),
        [
            "before_creating_workers",
            "before_start 1",
            "after_complete 1",
            "after_creating_workers"
        ]
    );
    assert_eq!(stage.count("finish"), 0, "a cancelled file has no result");
    stage.home.assert_nothing_left();
}

#[test]
fn a_stopping_listener_gets_running_items_handed_back() {
    let (mut stage, gate) = gated();
    let visit = gate.next();
    stage.manager().signal(Signal::Term);
    visit.closed();
    assert_eq!(stage.action("handed_back")["item"], 0);
    assert_eq!(stage.action("host_left")["reason"], "stopped");
    assert_eq!(stage.ended(secs(20)), 0);
    assert_eq!(stage.hooks().last().unwrap(), "after_creating_workers");
    stage.home.assert_nothing_left();
}

#[test]
fn everything_ends_when_the_listener_is_gone() {
    let (mut stage, gate) = gated();
    let visit = gate.next();
    stage.stdin = None;
    visit.closed();
    assert_eq!(stage.ended(secs(20)), 4);
    stage.home.assert_nothing_left();
}

#[test]
fn everything_ends_when_the_manager_is_killed() {
    let (stage, gate) = gated();
    let visit = gate.next();
    processes::signal(stage.manager().pid(), "KILL");
    let killed = Instant::now();
    visit.closed();
    until("end of all processes", secs(20), || {
        match stage.home.processes() {
            left if left.is_empty() => Ok(()),
            left => Err(left),
        }
    });
    println!(
        "manager killed: no process is left after {:?}",
        killed.elapsed()
    );
}

#[test]
fn a_job_whose_originator_is_gone_ends_and_its_queues_with_it() {
    let (mut stage, gate) = gated();
    let visit = gate.next();
    stage.session.take().unwrap().close(secs(2));
    visit.closed();
    assert_eq!(stage.ended(secs(20)), 4);
    assert_eq!(stage.hooks().last().unwrap(), "after_creating_workers");
    for queue in [
        names::file_queue(&stage.job),
        names::reply_queue(&stage.job),
    ] {
        let state = gorgon_broker::look_at_queue(&target(&stage.broker), &queue, secs(5)).unwrap();
        assert_eq!(state, None, "{queue}");
    }
    stage.home.assert_nothing_left();
}
