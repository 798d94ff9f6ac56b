//! Life and death around a child: its preloader's, its worker's.

use gorgon_process::child::End;
use gorgon_ruby::{ChildEvent, PreloaderEvent, Purpose};

use crate::project::{LIMIT, Project, SLEEP, fork, forked};

fn sleeper() -> Project {
    let spec = format!("RSpec.describe('x') {{ it('sleeps') {{ {SLEEP} }} }}");
    Project::new(&[("spec/a_spec.rb", &spec)])
}

#[test]
fn the_environment_of_a_slot_is_set() {
    let spec = "RSpec.describe('x') { it('sees') { raise ENV.values_at('GORGON_WORKER_ID', 'TEST_ENV_NUMBER', 'PARALLEL_WORKERS', 'GORGON_JOB_ID', 'OWN', 'SHELL').inspect } }";
    let mut project = Project::new(&[("spec/a_spec.rb", spec)]);
    project
        .settings
        .env
        .insert("OWN".into(), Some("yes".into()));
    project.settings.env.insert("SHELL".into(), None);
    let seen = project.start().run("spec/a_spec.rb");
    let values = r#"["2", "2", "1", "job-of-a-test", "yes", nil]"#;
    assert!(seen.messages[0].contains(values), "{seen:?}");
}

#[test]
fn the_end_of_the_worker_is_the_end_of_its_children() {
    let project = sleeper();
    let mut running = project.start();
    running.send("spec/a_spec.rb");
    project.wait_for_sleeper();
    let link = std::mem::replace(
        &mut running.link,
        gorgon_ruby::PreloaderLink::connect(&project.socket()).unwrap(),
    );
    drop(link);
    let seen = running.rest();
    assert_eq!(
        (seen.running.as_deref(), seen.end),
        (Some("x sleeps"), Some(End::Signaled(9)))
    );
}

#[test]
fn the_end_of_the_preloader_is_the_end_of_its_children() {
    let project = sleeper();
    let mut running = project.start();
    running.send("spec/a_spec.rb");
    project.wait_for_sleeper();
    drop(running.preloader);
    let said = std::iter::from_fn(|| running.child.events().recv_timeout(LIMIT).ok());
    let last = said.flatten().last();
    assert!(
        matches!(
            last,
            Some(ChildEvent::PreloaderLost | ChildEvent::Ended { .. })
        ),
        "{last:?}"
    );
}

#[test]
fn a_stopped_preloader_ends_by_itself() {
    let project = sleeper();
    let running = project.start();
    running.preloader.stop();
    match running.preloader.events().recv_timeout(LIMIT).unwrap() {
        PreloaderEvent::Ended { end, .. } => assert_eq!(end, End::Exited(0)),
        other => panic!("{other:?}"),
    }
    assert_eq!(running.rest().end, Some(End::Signaled(9)));
}

#[test]
fn children_end_normally_with_their_at_exit_handlers() {
    let project = Project::new(&[(
        "spec/a_spec.rb",
        "at_exit { File.open('log', 'a') { |f| f.puts 'at_exit' } }; at_exit { exit 7 }
         RSpec.describe('x') { it('works') {} }",
    )])
    .callbacks("def after_complete; File.open('log', 'a') { |f| f.puts 'after_complete' }; end");
    let mut running = project.start();
    assert_eq!(running.run("spec/a_spec.rb").tests, ["passed x works"]);
    let end = running.finish();
    assert_eq!((end.finished, end.end), (true, Some(End::Exited(7))));
    assert_eq!(project.read("log"), "after_complete\nat_exit\n");
}

#[test]
fn after_complete_runs_in_place_of_a_dead_child() {
    let project = Project::new(&[])
        .callbacks("def after_complete; File.write('log', ENV['TEST_ENV_NUMBER']); end");
    let running = project.start();
    let child = fork(&running.link, Purpose::AfterComplete);
    forked(&child);
    let events: Vec<_> = child.events().iter().flatten().collect();
    assert_eq!(
        events[..3],
        [
            ChildEvent::AfterComplete,
            ChildEvent::CallbackDone,
            ChildEvent::Finished
        ]
    );
    assert_eq!(project.read("log"), "2");
}
