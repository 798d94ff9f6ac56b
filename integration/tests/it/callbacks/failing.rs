//! Callbacks that raise or do not end, and what a run says of them.

use super::*;

#[test]
fn a_callback_that_raises_is_named_and_ends_the_run() {
    let home = Home::new();
    let class = |name: &str| {
        format!(
            "class C < Gorgon::DefaultCallbacks\n  def {name}; raise 'no database'; end\nend\nGorgon.callbacks = C.new\n"
        )
    };
    for (name, status) in [
        ("before_originate", 3),
        ("after_sync", 3),
        ("before_creating_workers", 3),
        ("before_start", 3),
    ] {
        let project = Project::of(
            &home,
            &[
                ("gorgon.json", CONFIG),
                ("callbacks.rb", &class(name)),
                ("spec/a_spec.rb", SPEC),
            ],
        );
        let run = run::run(&home, &project, &["--local=1"]);
        run.exited(status).says(&[name, "no database"]);
        // It is told once, in a few lines.
        let lines = run.stdout.lines().count() + run.stderr.lines().count();
        assert!((3..=12).contains(&lines), "{}{}", run.stdout, run.stderr);
        home.assert_nothing_left();
    }
}

#[test]
fn an_application_whose_forks_end_at_once_ends_the_run() {
    let home = Home::new();
    let class = "class C < Gorgon::DefaultCallbacks\n  def before_creating_workers\n    \
                 Process.singleton_class.prepend(Module.new { def fork; super() { exit!(3) }; end })\n  end\nend\n\
                 Gorgon.callbacks = C.new\n";
    let files = [
        ("gorgon.json", CONFIG),
        ("callbacks.rb", class),
        ("spec/a_spec.rb", SPEC),
    ];
    let project = Project::of(&home, &files);
    let run = run::run(&home, &project, &["--local=1"]);
    run.exited(3).says(&["their parent ended 3 times in a row"]);
    home.assert_nothing_left();
}

#[test]
fn a_host_whose_callback_raises_drops_out_and_the_others_do_its_part() {
    let cluster = Cluster::start(&[("a", 1), ("b", 1)]);
    let gate = Gate::open(cluster.home());
    let spec =
        "require_relative '../gate'\nRSpec.describe('x') { it('waits') { Gate.pass('x') } }\n";
    for name in ["after_sync", "before_creating_workers", "before_start"] {
        let class = format!(
            "class C < Gorgon::DefaultCallbacks\n  def {name}; raise 'no disk here' if Dir.pwd.include?('/run/a/'); end\nend\n\
             Gorgon.callbacks = C.new\n"
        );
        let project = Project::of(
            cluster.home(),
            &[
                ("gorgon.json", CONFIG),
                ("callbacks.rb", &class),
                ("spec/a_spec.rb", spec),
                ("spec/b_spec.rb", spec),
            ],
        );
        gate.write_into(&project);
        let run = cluster.begin(&project, &[]);
        // Else the other host might be done before it raises.
        run.event("host_left", |event| {
            event["event"] == "host_left" && event["hostname"] == "a"
        });
        gate.open_until_finished(run)
            .exited(0)
            .reported(&["spec/a_spec.rb", "spec/b_spec.rb"])
            .says(&[name, "no disk here"]);
    }
    cluster.assert_nothing_left();
}

#[test]
fn a_callback_without_end_is_ended_at_its_limit() {
    let home = Home::new();
    // It is the limit of those too that do nothing, and of Ruby's start for them.
    let config = r#"{ "files": ["spec/*_spec.rb"], "callback_timeout": 5,
      "job": { "callbacks": { "callbacks_class_file": "callbacks.rb" } } }"#;
    for name in [
        "before_originate",
        "after_sync",
        "before_creating_workers",
        "before_start",
    ] {
        let class = format!(
            "class C < Gorgon::DefaultCallbacks\n  def {name}; sleep 300; end\nend\nGorgon.callbacks = C.new\n"
        );
        let project = Project::of(
            &home,
            &[
                ("gorgon.json", config),
                ("callbacks.rb", &class),
                ("spec/a_spec.rb", SPEC),
            ],
        );
        let run = run::run(&home, &project, &["--local=1"]);
        run.exited(3).says(&[name]);
        home.assert_nothing_left();
    }
}

#[test]
fn a_ruby_child_that_does_not_end_is_ended_at_the_limit_and_told_of() {
    let home = Home::new();
    let project = Project::of(
        &home,
        &[
            (
                "gorgon.json",
                r#"{ "files": ["spec/*_spec.rb"], "callback_timeout": 2 }"#,
            ),
            (
                "spec/a_spec.rb",
                "at_exit { sleep }\nRSpec.describe('a') { it('holds') { expect(1).to eq 1 } }\n",
            ),
        ],
    );
    run::run(&home, &project, &["--local=1"])
        .exited(1)
        .says(&["the end of the Ruby child took longer than 2 s", "1 passed"]);
    home.assert_nothing_left();
}

#[test]
fn an_after_complete_that_ends_its_process_is_called_by_its_name_once() {
    let home = Home::new();
    let config = r#"{ "files": ["spec/*_spec.rb"], "job": { "callbacks": { "after_complete": "after.rb" } } }"#;
    let files = [
        ("gorgon.json", config),
        ("after.rb", "exit!(3)\n"),
        ("spec/a_spec.rb", SPEC),
    ];
    let run = run::run(&home, &Project::of(&home, &files), &["--local=1"]);
    run.exited(1).says(&[
        "The callback after_complete failed at '",
        "it ended the Ruby child: exit status 3",
        "1 test: 1 passed; 1 error outside tests",
    ]);
    assert_eq!(
        run.stdout.matches("exit status 3").count(),
        1,
        "{}",
        run.stdout
    );
    assert!(!run.stdout.contains("suite hook"), "{}", run.stdout);
    let (suite, cases) = &run.junit().suites[1];
    assert!(suite.starts_with("(suite hooks) "), "{suite}");
    assert_eq!(cases[0].name, "after_complete");
    home.assert_nothing_left();
}

/// A callbacks file whose before_start raises in slot 2, that many times, and a suite whose files wait until it has.
fn fails_in_slot_two(home: &Home, times: usize) -> Project {
    let class = format!(
        "class C < Gorgon::DefaultCallbacks\n  def before_start\n    \
         return unless ENV['GORGON_WORKER_ID'] == '2'\n    \
         File.write('tries', \"try\\n\", mode: 'a')\n    \
         raise \"no database, try #{{File.readlines('tries').size}}\" if File.readlines('tries').size <= {times}\n  \
         end\nend\nGorgon.callbacks = C.new\n"
    );
    let waits =
        "until File.exist?('tries') && File.readlines('tries').size >= 2; sleep(0.01); end\n";
    let spec = format!("{waits}{SPEC}");
    let files = [
        ("gorgon.json", CONFIG),
        ("callbacks.rb", &class),
        ("spec/a_spec.rb", &spec),
        ("spec/b_spec.rb", &spec),
    ];
    Project::of(home, &files)
}

#[test]
fn a_before_start_that_fails_in_one_slot_is_told_at_once_and_tried_once_more() {
    let home = Home::new();
    let told = "warning: before_start failed at here:2, it is tried once more: RuntimeError: no database, try 1 (";
    let options = ["--local=2"];
    let named = CONFIG.replace("{ \"files\"", "{ \"host_name\": \"here\", \"files\"");

    let project = fails_in_slot_two(&home, 1);
    project.write("gorgon.json", &named);
    let run = run::run(&home, &project, &options);
    run.exited(0).says(&[
        told,
        "callbacks.rb:5:in",
        "Warnings (1):",
        "here:2: before_start failed, and was tried once more: RuntimeError: no database, try 1",
    ]);
    assert!(!run.stdout.contains("ended early"), "{}", run.stdout);

    let project = fails_in_slot_two(&home, 2);
    project.write("gorgon.json", &named);
    let run = run::run(&home, &project, &options);
    run.exited(0).says(&[
        told,
        "warning: before_start failed at here:2, the slot leaves the job: RuntimeError: no database, try 2 (",
        "Worker 'here:2' ended early: before_start",
        "the second time: before_start: RuntimeError: no database, try 2",
    ]);
    assert!(!run.stdout.contains("left the job"), "{}", run.stdout);
    assert_eq!(project.read("tries").lines().count(), 2);
    let failed = run.events("start_failed")[0];
    let finished = run.events("item_finished")[0];
    assert!(
        failed["at"].as_f64() <= finished["at"].as_f64(),
        "{failed:#}"
    );
    assert_eq!(failed["worker_id"], 2);
    let words = "RuntimeError: no database, try 1\n";
    for error in [
        &failed["error"],
        &run.events("job_finished")[0]["left_early"][0]["error"],
    ] {
        assert_eq!(error["what"], "before_start");
        let message = error["message"].as_str().unwrap();
        assert!(message.starts_with(words), "{message}");
    }
    home.assert_nothing_left();
}

/// The Ruby child dies, and its after_complete runs in another one, which cannot be forked so many times.
fn fork_fails(home: &Home, times: u32) -> Project {
    let class = "class C < Gorgon::DefaultCallbacks\n  def before_creating_workers\n    \
                 Process.singleton_class.prepend(Module.new { def fork\n      \
                 left = File.exist?('left') ? File.read('left').to_i : 0\n      \
                 return super if left == 0\n      \
                 File.write('left', left - 1)\n      \
                 raise Errno::EAGAIN\n    end })\n  end\n  \
                 def after_complete = File.write('completed', \"one\\n\", mode: 'a')\nend\n\
                 Gorgon.callbacks = C.new\n";
    let spec = format!(
        "RSpec.describe('a') {{ it('dies') {{ File.write('left', {times}); Process.kill(:KILL, $$) }} }}\n"
    );
    let files = [
        ("gorgon.json", CONFIG),
        ("callbacks.rb", class),
        ("spec/a_spec.rb", &spec),
    ];
    Project::of(home, &files)
}

#[test]
fn an_after_complete_that_could_not_be_forked_runs_at_the_second_try_or_is_an_error() {
    let home = Home::new();
    let told = "forking a Ruby child for after_complete failed";
    let never = "after_complete has not run";

    let project = fork_fails(&home, 1);
    let run = run::run(&home, &project, &["--local=1"]);
    run.exited(1).says(&[told, "it is tried once more"]);
    assert!(!run.stdout.contains(never), "{}", run.stdout);
    assert_eq!(project.read("completed"), "one\n");

    let project = fork_fails(&home, 2);
    let run = run::run(&home, &project, &["--local=1"]);
    run.exited(1).says(&[never, &format!("{told} twice")]);
    assert!(!project.path().join("completed").exists());
    home.assert_nothing_left();
}
