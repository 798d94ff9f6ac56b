//! The user's callbacks in both layouts, and what they may do to us.

use std::time::Duration;

use gorgon_process::child::End;
use gorgon_proto::job::Callbacks;
use gorgon_ruby::{
    Callback, CallbackError, ChildEvent, PreloaderEvent, Purpose, Waiting, run_callback,
};

use crate::project::{LIMIT, Project, fork, forked};

fn waiting() -> Waiting {
    Waiting::within(LIMIT)
}

#[test]
fn a_callback_returns_its_string_and_its_noise() {
    let project = Project::new(&[]).callbacks(
        "def before_originate; puts 'noise'; 'cluster 7'; end
         def after_sync; 20_000.times { |i| puts i; warn i }; File.write('synced', Dir.pwd); 5; end",
    );
    let reply = run_callback(&project.settings, Callback::BeforeOriginate, &waiting()).unwrap();
    assert_eq!(
        (reply.returned.as_deref(), reply.output.as_str()),
        (Some("cluster 7"), "noise\n")
    );
    let reply = run_callback(&project.settings, Callback::AfterSync, &waiting()).unwrap();
    assert_eq!(reply.returned, None);
    assert!(reply.output.len() < 70_000);
    assert!(!project.read("synced").is_empty());
    let none = run_callback(&project.settings, Callback::AfterJobFinishes, &waiting()).unwrap();
    assert_eq!(none.returned, None);
}

#[test]
fn a_callback_that_does_not_return_is_told_with_its_output() {
    let project = Project::new(&[]).callbacks(
        "def before_originate; puts 'about to'; raise ArgumentError, 'no such cluster'; end
         def after_sync; exit! 4; end
         def after_job_finishes; trap('TERM') {}; puts 'slow'; sleep; end",
    );
    let error = run_callback(&project.settings, Callback::BeforeOriginate, &waiting()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "before_originate raised ArgumentError: no such cluster"
    );
    assert_eq!(error.output(), "about to\n");
    let error = run_callback(&project.settings, Callback::AfterSync, &waiting()).unwrap_err();
    assert!(
        matches!(
            error,
            CallbackError::Ended {
                end: End::Exited(4),
                ..
            }
        ),
        "{error}"
    );
    let short = Waiting::within(Duration::from_secs(4));
    let error = run_callback(&project.settings, Callback::AfterJobFinishes, &short).unwrap_err();
    assert_eq!(error.to_string(), "after_job_finishes was killed after 4 s");
    assert_eq!(error.output(), "slow\n");
}

#[test]
fn no_ruby_is_needed_where_nothing_is_to_be_run() {
    let mut project = Project::new(&[]);
    project.settings.ruby = Some(vec!["no-such-ruby".to_owned()]);
    run_callback(&project.settings, Callback::AfterSync, &waiting()).unwrap();
    let project = project.callbacks("def before_start; end");
    run_callback(&project.settings, Callback::AfterSync, &waiting()).unwrap();
    let project = project.callbacks("def after_sync; end");
    let error = run_callback(&project.settings, Callback::AfterSync, &waiting()).unwrap_err();
    let chain = gorgon_process::exit::chain(&error);
    assert!(chain.contains("no-such-ruby"), "{chain}");
}

#[test]
fn the_older_layout_loads_a_file_for_each_callback() {
    let mut project = Project::new(&[
        (
            "cb/sync.rb",
            "File.open('log', 'a') { |f| f.puts 'after_sync' }",
        ),
        (
            "cb/creating.rb",
            "File.open('log', 'a') { |f| f.puts 'before_creating_workers' }",
        ),
        (
            "cb/start.rb",
            "File.open('log', 'a') { |f| f.puts \"before_start #{ENV['TEST_ENV_NUMBER']}\" }",
        ),
    ]);
    project.settings.callbacks = Callbacks {
        after_sync: Some("cb/sync.rb".into()),
        before_creating_workers: Some("cb/creating.rb".into()),
        before_start: Some("cb/start.rb".into()),
        ..Callbacks::default()
    };
    run_callback(&project.settings, Callback::AfterSync, &waiting()).unwrap();
    let mut running = project.start();
    running.finish();
    assert_eq!(
        project.read("log"),
        "after_sync\nbefore_creating_workers\nbefore_start 2\n"
    );
}

#[test]
fn what_is_loaded_before_the_fork_is_loaded_once_and_kept() {
    let project = Project::new(&[(
        "spec/a_spec.rb",
        "RSpec.describe('x') { it('sees') { expect([$app, $kept, defined?(Gorgon)]).to eq ['loaded', 'loaded', nil] } }",
    )])
    .callbacks(
        "attr_reader :app
         def before_creating_workers; 20_000.times { puts 'n' * 80; warn 'o' }; spawn('sleep 4713'); trap('CHLD') {}; $app = @app = 'loaded'; File.open('log', 'a') { |f| f.puts 'before' }; end
         def before_start; $kept = Gorgon.callbacks.app; File.open('log', 'a') { |f| f.puts 'start' }; end
         def after_creating_workers; puts 'bye'; File.open('log', 'a') { |f| f.puts 'after' }; end",
    );
    let mut running = project.start();
    assert_eq!(running.run("spec/a_spec.rb").tests, ["passed x sees"]);
    running.finish();
    running.again();
    running.finish();
    running
        .preloader
        .run_callback(Callback::AfterCreatingWorkers);
    let event = running.preloader.events().recv_timeout(LIMIT).unwrap();
    assert_eq!(
        event,
        PreloaderEvent::CallbackDone(Callback::AfterCreatingWorkers)
    );
    running.preloader.stop();
    let event = running.preloader.events().recv_timeout(LIMIT).unwrap();
    // Some of the noise before it may still have been on its way when the workers began.
    match event {
        PreloaderEvent::Ended {
            end: End::Exited(0),
            output,
        } => assert_eq!(output.lines().last(), Some("bye")),
        other => panic!("{other:?}"),
    }
    assert_eq!(project.read("log"), "before\nstart\nstart\nafter\n");
}

#[test]
fn a_preloader_whose_callback_fails_says_so_and_ends() {
    for (body, message) in [
        ("raise 'no database'", "no database"),
        ("exit 5", "called exit, status 5"),
    ] {
        let project = Project::new(&[]).callbacks(&format!(
            "def before_creating_workers; puts 'trying'; {body}; end"
        ));
        let preloader = project.preloader();
        let events: Vec<_> = preloader.events().iter().collect();
        let [
            PreloaderEvent::CallbackFailed(failure),
            PreloaderEvent::Ended { .. },
        ] = &events[..]
        else {
            panic!("{events:?}")
        };
        assert_eq!(
            (failure.what(), failure.message.as_str()),
            ("before_creating_workers", message)
        );
        assert_eq!(failure.output, "trying\n");
    }
}

#[test]
fn a_preloader_whose_callback_takes_too_long_is_killed() {
    let mut project = Project::new(&[]).callbacks("def before_creating_workers; sleep; end");
    project.settings.callback_timeout = Duration::from_secs(1);
    let events: Vec<_> = project.preloader().events().iter().collect();
    let [
        PreloaderEvent::CallbackFailed(failure),
        PreloaderEvent::Ended { end, .. },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(
        (failure.message.as_str(), *end),
        ("took longer than 1 s", End::Signaled(9))
    );
}

#[test]
fn a_callbacks_file_that_cannot_be_loaded_is_named() {
    let project =
        Project::new(&[]).callbacks("def after_sync; end; end; raise 'broken file'; class Rest");
    let error = run_callback(&project.settings, Callback::AfterSync, &waiting()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "loading the callbacks raised RuntimeError: broken file"
    );
}

#[test]
fn before_start_that_raises_ends_the_child() {
    let project = Project::new(&[]).callbacks("def before_start; puts 'hm'; raise 'no port'; end");
    let preloader = project.preloader();
    assert!(matches!(
        preloader.events().recv_timeout(LIMIT),
        Ok(PreloaderEvent::Ready { .. })
    ));
    let link = gorgon_ruby::PreloaderLink::connect(&project.socket()).unwrap();
    let child = fork(&link, Purpose::Items);
    forked(&child);
    let events: Vec<_> = child.events().iter().flatten().collect();
    let [
        ChildEvent::CallbackFailed(failure),
        ChildEvent::Ended { .. },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(
        (failure.message.as_str(), failure.output.as_str()),
        ("no port", "hm\n")
    );
}

#[test]
fn open4_is_there_without_its_gem_and_without_being_required() {
    let project = Project::new(&[]).callbacks(
        "def before_originate
           status = Open4.popen4('echo out; echo err >&2; cat; exit 3') do |pid, stdin, stdout, stderr|
             stdin.puts 'in'; stdin.close
             @all = [pid.class, stdout.read, stderr.read]
           end
           require 'open4'
           pid, _stdin, stdout, _stderr = Open4.popen4('echo', 'two words')
           _, waited = Process.waitpid2(pid)
           text = ''
           Open4.spawn('tr a b', stdin: 'aaa', stdout: text)
           [*@all, status.exitstatus, stdout.read, waited.exitstatus, text].inspect
         end",
    );
    let reply = run_callback(&project.settings, Callback::BeforeOriginate, &waiting()).unwrap();
    let expected = r#"[Integer, "out\nin\n", "err\n", 3, "two words\n", 0, "bbb"]"#;
    assert_eq!(reply.returned.as_deref(), Some(expected));
}
