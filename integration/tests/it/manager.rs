//! One host's part of a job: the real manager, workers, preloader and Ruby children over the local broker.

mod ends;
mod stage;

use std::time::Instant;

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::message::{self, Reply};
use gorgon_proto::names;
use integration::processes;
use integration::proxy::Proxy;
use integration::wait::{secs, until};
use serde_json::json;

use stage::{CALLBACKS, GREEN, Stage, gated, target};

#[test]
fn a_host_runs_the_items_of_a_job_and_leaves() {
    let mut stage = Stage::new(&[
        ("spec/a_spec.rb", GREEN),
        ("spec/b_spec.rb", GREEN),
        ("hooks.rb", CALLBACKS),
    ]);
    for (id, file) in [(0, "spec/a_spec.rb"), (1, "spec/b_spec.rb")] {
        stage.publish(&WorkItem::whole(ItemId(id), file));
    }
    stage.start(
        "1,3",
        &json!({ "callbacks": { "callbacks_class_file": "hooks.rb" } }),
    );
    assert_eq!(stage.action("host_joined")["slots"], json!([1, 3]));
    for item in 0..2 {
        let finish = stage.finish(item);
        assert_eq!(finish["type"], "pass", "{finish:#?}");
        assert_eq!(finish["listener_id"], "L1");
    }
    stage.over();
    assert_eq!(stage.action("host_left")["reason"], "done");
    assert_eq!(stage.count("worker_ended"), 2);
    assert_eq!(stage.count("start"), 2);
    assert_eq!(stage.ended(secs(20)), 0);
    let hooks = stage.hooks();
    assert_eq!(hooks.first().unwrap(), "before_creating_workers");
    assert_eq!(hooks.last().unwrap(), "after_creating_workers");
    let starts = hooks
        .iter()
        .filter(|line| line.starts_with("before_start"))
        .count();
    let ends = hooks
        .iter()
        .filter(|line| line.starts_with("after_complete"))
        .count();
    assert!(starts == ends && (1..=2).contains(&starts), "{hooks:?}");
    stage.home.assert_nothing_left();
}

#[test]
fn a_worker_that_begins_to_consume_when_the_job_is_over_leaves_at_once() {
    let mut stage = Stage::new(&[("spec/a_spec.rb", GREEN)]);
    let proxy = Proxy::holding_back_consumers_of("gorgon.files.", stage.broker.port());
    stage.proxy = Some(proxy);
    stage.start("1", &json!({}));
    let proxy = stage.proxy.as_ref().unwrap();
    until("the worker's basic.consume", secs(30), || {
        if proxy.consumes() == 1 {
            Ok(())
        } else {
            Err(())
        }
    });
    stage.over();
    stage.is_over();
    proxy.let_consume();
    let began = Instant::now();
    assert_eq!(stage.action("host_left")["reason"], "done");
    assert_eq!(stage.ended(secs(20)), 0);
    println!("the host has left {:?} after it was told", began.elapsed());
    // A missing queue is the end of the job, and no outage after which one looks for it again.
    assert_eq!(stage.proxy.as_ref().unwrap().consumes(), 1);
    stage.home.assert_nothing_left();
}

#[test]
fn a_killed_worker_is_replaced_and_its_item_comes_back_as_returned() {
    let (mut stage, gate) = gated();
    let visit = gate.next();
    let start = stage.action("start");
    processes::signal(
        u32::try_from(start["pid"].as_u64().unwrap()).unwrap(),
        "KILL",
    );
    visit.closed();
    let died = stage.action("worker_died");
    assert_eq!(
        (&died["pid"], &died["end"]),
        (&start["pid"], &json!("SIGKILL"))
    );
    let returned = stage.action("returned");
    assert_ne!(returned["pid"], start["pid"]);
    stage.publish(&WorkItem {
        attempt: 2,
        ..WorkItem::whole(ItemId(0), "spec/g_spec.rb")
    });
    gate.next().release();
    assert_eq!(stage.finish(0)["attempt"], 2);
    stage.over();
    assert_eq!(stage.action("host_left")["reason"], "done");
    assert_eq!(stage.ended(secs(20)), 0);
    stage.home.assert_nothing_left();
}

#[test]
fn a_killed_preloader_is_started_once_more_and_then_the_host_leaves() {
    let (mut stage, gate) = gated();
    let manager = stage.manager().pid();
    for attempt in 1..=2 {
        let visit = gate.next();
        let preloader = stage
            .home
            .processes()
            .into_iter()
            .find(|p| p.parent == manager && p.arguments.contains("boot.rb"));
        let preloader = preloader.unwrap_or_else(|| panic!("{:#?}", stage.home.processes()));
        preloader.kill_9();
        visit.closed();
        if attempt == 1 {
            assert_eq!(stage.action("worker_died")["end"], "its preloader died");
            stage.action("returned");
            stage.publish(&WorkItem {
                attempt: 2,
                ..WorkItem::whole(ItemId(0), "spec/g_spec.rb")
            });
        }
    }
    let left = stage.action("host_left");
    assert_eq!(left["reason"], "preloader_failed", "{left:#?}");
    assert_eq!(stage.ended(secs(20)), 0);
    stage.home.assert_nothing_left();
}

#[test]
fn a_callback_that_raises_makes_the_host_leave_and_say_why() {
    for (callback, what) in [("before_creating_workers", 0), ("before_start", 1)] {
        let text = CALLBACKS.replace(&format!("note '{callback}'"), "raise 'no database'");
        let text = text.replace(
            &format!("note \"{callback} #{{ENV['GORGON_WORKER_ID']}}\""),
            "raise 'no database'",
        );
        assert_ne!(text, CALLBACKS);
        let mut stage = Stage::new(&[("spec/a_spec.rb", GREEN), ("hooks.rb", &text)]);
        stage.publish(&WorkItem::whole(ItemId(0), "spec/a_spec.rb"));
        stage.start(
            "1",
            &json!({ "callbacks": { "callbacks_class_file": "hooks.rb" } }),
        );
        let left = stage.action("host_left");
        assert_eq!(left["reason"], "callback_failed", "{left:#?}");
        assert_eq!(left["error"]["what"], callback, "{left:#?}");
        assert!(
            left["error"]["message"]
                .as_str()
                .unwrap()
                .contains("no database"),
            "{left:#?}"
        );
        assert_eq!(stage.count("handed_back"), what);
        assert_eq!(stage.count("start_failed"), 2 * what);
        assert_eq!(stage.ended(secs(20)), 0);
        stage.home.assert_nothing_left();
    }
}

#[test]
fn each_slot_may_have_a_directory_and_a_preloader_of_its_own() {
    let where_am_i = "RSpec.describe('x') { it('notes') { File.write(\"ran-#{File.basename($0)}\", Dir.pwd) } }\n";
    let files = ["slot-1", "slot-2"].map(|slot| {
        [
            (format!("{slot}/spec/a_spec.rb"), where_am_i),
            (format!("{slot}/spec/b_spec.rb"), where_am_i),
            (format!("{slot}/hooks.rb"), CALLBACKS),
        ]
    });
    let files: Vec<_> = files
        .iter()
        .flatten()
        .map(|(path, text)| (path.as_str(), *text))
        .collect();
    let mut stage = Stage::new(&files);
    for (id, file) in [(0, "spec/a_spec.rb"), (1, "spec/b_spec.rb")] {
        stage.publish(&WorkItem::whole(ItemId(id), file));
    }
    let callbacks = json!({ "callbacks_class_file": "hooks.rb" });
    stage.start(
        "1,2",
        &json!({ "workspace": "slot", "callbacks": callbacks }),
    );
    let finishes = [stage.finish(0), stage.finish(1)];
    stage.over();
    assert_eq!(stage.action("host_left")["reason"], "done");
    assert_eq!(stage.ended(secs(20)), 0);
    for slot in [1, 2] {
        let hooks = stage.project.read(&format!("slot-{slot}/hooks.log"));
        let ran = finishes.iter().any(|finish| finish["worker_id"] == slot);
        assert!(hooks.starts_with("before_creating_workers\n"), "{hooks}");
        assert!(hooks.ends_with("after_creating_workers\n"), "{hooks}");
        assert_eq!(
            hooks.contains(&format!("before_start {slot}")),
            ran,
            "{hooks}"
        );
    }
    stage.home.assert_nothing_left();
}

#[test]
fn a_worker_by_hand_takes_items_of_a_live_queue_and_ends_without_them() {
    let mut stage = Stage::new(&[("spec/a_spec.rb", GREEN)]);
    stage.publish(&WorkItem::whole(ItemId(0), "spec/a_spec.rb"));
    let config = stage.config();
    let mut command = stage.home.command("gorgon-worker");
    command.arg("--config").arg(config).arg("--workspace");
    command
        .arg(stage.project.path())
        .args(["--file-queue", &names::file_queue(&stage.job)]);
    let begun = Instant::now();
    let printed = gorgon_process::command::run(command, secs(20), b"").unwrap();
    assert!(begun.elapsed() > secs(2));
    assert_eq!(stage.finish(0)["type"], "pass");
    stage.action("worker_ended");
    assert_eq!(printed.stdout.lines().count(), 3, "{}", printed.stdout);
    stage.home.assert_nothing_left();
}

#[test]
fn replies_are_read_by_their_types() {
    // A reply that the test would not understand would make every other test here wait in vain.
    let reply =
        json!({"action": "idle", "hostname": "h", "listener_id": "L", "worker_id": 1, "pid": 2});
    assert!(matches!(
        message::read_reply(reply.to_string().as_bytes()),
        Ok(Reply::Idle(_))
    ));
}
